#include "registry/package/model_signature.h"

#include <algorithm>
#include <map>

#include "runtime/base/base64.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
constexpr std::string_view kPredicateType = "https://model_signing/signature/v1.0";

// The bundle as it stands.
struct PublicKey {
  std::string hint;
};
BOOST_DESCRIBE_STRUCT(PublicKey, (), (hint))
struct Material {
  PublicKey publicKey;
  boost::json::array tlogEntries;
};
BOOST_DESCRIBE_STRUCT(Material, (), (publicKey, tlogEntries))
struct EnvelopeSignature {
  std::string sig, keyid;
};
BOOST_DESCRIBE_STRUCT(EnvelopeSignature, (), (sig, keyid))
struct Envelope {
  std::string payload, payloadType;
  std::vector<EnvelopeSignature> signatures;
};
BOOST_DESCRIBE_STRUCT(Envelope, (), (payload, payloadType, signatures))
struct Bundle {
  std::string mediaType;
  Material verificationMaterial;
  Envelope dsseEnvelope;
};
BOOST_DESCRIBE_STRUCT(Bundle, (), (mediaType, verificationMaterial, dsseEnvelope))

// The payload.
struct Subject {
  std::string name;
  std::map<std::string, std::string> digest;
};
BOOST_DESCRIBE_STRUCT(Subject, (), (name, digest))
struct Serialization {
  std::string method, hash_type;
  bool allow_symlinks = false;
  std::vector<std::string> ignore_paths;
};
BOOST_DESCRIBE_STRUCT(Serialization, (), (method, hash_type, allow_symlinks, ignore_paths))
struct Resource {
  std::string name, algorithm, digest;
};
BOOST_DESCRIBE_STRUCT(Resource, (), (name, algorithm, digest))
struct Predicate {
  Serialization serialization;
  std::vector<Resource> resources;
};
BOOST_DESCRIBE_STRUCT(Predicate, (), (serialization, resources))
struct Statement {
  std::string _type;
  std::vector<Subject> subject;
  std::string predicateType;
  Predicate predicate;
};
BOOST_DESCRIBE_STRUCT(Statement, (), (_type, subject, predicateType, predicate))

/// Of the files' raw digests, one after another.
std::string RootDigest(const std::vector<SignedFile>& files) {
  std::string raw;
  for (const SignedFile& file : files) {
    for (std::size_t i = 0; i + 1 < file.sha256.size(); i += 2) {
      raw += static_cast<char>(std::stoi(file.sha256.substr(i, 2), nullptr, 16));
    }
  }
  return Sha256Hex(raw);
}

bool IsSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Error Wrong(const std::string& what) { return Corrupt("model.sig: " + what); }

/// DecodeBase64 is strict but for the unused bits of the last digit.
Result<std::string> Canonical(const std::string& text, std::string_view what) {
  auto bytes = DecodeBase64(text);
  if (!bytes.ok() || EncodeBase64(*bytes) != text) {
    return Wrong(std::string(what) + " is no canonical base64");
  }
  return bytes;
}

Result<Bundle> ReadBundle(std::string_view text) {
  auto bundle = wire::Decode<Bundle>(text, wire::Unknown::kRefuse);
  if (!bundle.ok()) return Wrong(bundle.error().message);
  if (bundle->mediaType != kMediaType) {
    return Wrong("media type '" + bundle->mediaType + "'; wanted " + std::string(kMediaType));
  }
  const Envelope& envelope = bundle->dsseEnvelope;
  if (envelope.payloadType != kPayloadType) {
    return Wrong("payload type '" + envelope.payloadType + "'; wanted " +
                 std::string(kPayloadType));
  }
  if (envelope.signatures.size() != 1 || !envelope.signatures[0].keyid.empty()) {
    return Wrong("wanted one signature without a key id");
  }
  if (!bundle->verificationMaterial.tlogEntries.empty()) {
    return Wrong("it is in a transparency log; wanted a signature by a key alone");
  }
  return bundle;
}

/// The model and its files.
Status ReadStatement(const std::string& payload, ModelSignature& signature) {
  auto statement = wire::Decode<Statement>(payload);
  if (!statement.ok()) return Wrong("payload: " + statement.error().message);
  if (statement->_type != kStatementType || statement->predicateType != kPredicateType ||
      statement->subject.size() != 1) {
    return Wrong("the payload is no statement on one model of type " + std::string(kPredicateType));
  }
  const Serialization& how = statement->predicate.serialization;
  if (how.method != "files" || how.hash_type != "sha256") {
    return Wrong("files are hashed as '" + how.method + "' with '" + how.hash_type +
                 "'; wanted 'files' with 'sha256'");
  }
  for (Resource& resource : statement->predicate.resources) {
    if (resource.algorithm != "sha256" || !IsSha256(resource.digest)) {
      return Wrong("the digest of '" + resource.name + "' is no SHA-256");
    }
    signature.files.push_back({std::move(resource.name), std::move(resource.digest)});
  }
  signature.model = statement->subject[0].name;
  if (statement->subject[0].digest["sha256"] != RootDigest(signature.files)) {
    return Wrong("the root digest is not that of the files");
  }
  return Ok();
}

}  // namespace

std::string SignatureStatement(std::string_view model, std::vector<SignedFile> files) {
  std::ranges::sort(files, {}, &SignedFile::name);
  Statement statement{std::string(kStatementType),
                      {{std::string(model), {{"sha256", RootDigest(files)}}}},
                      std::string(kPredicateType),
                      {{"files", "sha256", false, {std::string(kSignatureFile)}}, {}}};
  for (const SignedFile& file : files) {
    statement.predicate.resources.push_back({file.name, "sha256", file.sha256});
  }
  return wire::Encode(statement);
}

std::string PreAuthenticationEncoding(std::string_view payload) {
  return "DSSEv1 " + std::to_string(kPayloadType.size()) + " " + std::string(kPayloadType) + " " +
         std::to_string(payload.size()) + " " + std::string(payload);
}

std::string KeyHint(std::string_view public_key_pem) { return Sha256Hex(public_key_pem); }

std::string SignatureBundle(std::string_view payload, std::string_view signature,
                            std::string_view public_key_pem) {
  return wire::Encode(
      Bundle{std::string(kMediaType),
             {{KeyHint(public_key_pem)}, {}},
             {EncodeBase64(payload), std::string(kPayloadType), {{EncodeBase64(signature), ""}}}});
}

Result<ModelSignature> ParseSignature(std::string_view text) {
  MUSTER_ASSIGN_OR_RETURN(const Bundle bundle, ReadBundle(text));
  ModelSignature signature;
  signature.key_hint = bundle.verificationMaterial.publicKey.hint;
  MUSTER_ASSIGN_OR_RETURN(signature.payload, Canonical(bundle.dsseEnvelope.payload, "the payload"));
  MUSTER_ASSIGN_OR_RETURN(signature.signature,
                          Canonical(bundle.dsseEnvelope.signatures[0].sig, "the signature"));
  MUSTER_RETURN_IF_ERROR(ReadStatement(signature.payload, signature));
  return signature;
}

std::vector<std::string> Differences(const std::vector<SignedFile>& signed_files,
                                     const std::vector<SignedFile>& found) {
  std::map<std::string, std::pair<std::string, std::string>> digests;  // name -> signed, found
  for (const SignedFile& file : signed_files) digests[file.name].first = file.sha256;
  for (const SignedFile& file : found) digests[file.name].second = file.sha256;
  std::vector<std::string> differences;
  for (const auto& [name, digest] : digests) {
    const auto& [wanted, seen] = digest;
    if (wanted == seen) continue;
    if (wanted.empty()) {
      differences.push_back(name + " was not signed");
    } else if (seen.empty()) {
      differences.push_back(name + " is missing");
    } else {
      differences.push_back(name + " is not what was signed: its SHA-256 is " + seen +
                            ", signed was " + wanted);
    }
  }
  return differences;
}

}  // namespace muster::registry
