#include "registry/files/signed_directory.h"

#include <fstream>

#include "runtime/base/file.h"
#include "runtime/base/sha256.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 18;

/// The signature's own check, before any file is looked at.
Result<ModelSignature> ReadSignature(const std::string& text, const std::string& public_key) {
  MUSTER_ASSIGN_OR_RETURN(ModelSignature signature, ParseSignature(text));
  if (signature.key_hint != KeyHint(public_key)) {
    return Corrupt("model.sig: signed with another key, of which the hint is " +
                   signature.key_hint + "; this one's is " + KeyHint(public_key));
  }
  const Status verified = VerifySignature(public_key, PreAuthenticationEncoding(signature.payload),
                                          signature.signature);
  if (!verified.ok()) return verified.error().With("model.sig");
  return signature;
}

}  // namespace

Result<FileDigest> DigestFile(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return NotFound("cannot read " + file.string());
  Sha256 hash;
  FileDigest digest;
  std::vector<char> block(kBlock);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    hash.Update({block.data(), static_cast<std::size_t>(in.gcount())});
    digest.bytes += in.gcount();
  }
  if (in.bad()) return IoError("read " + file.string(), EIO);
  digest.sha256 = hash.Hex();
  return digest;
}

Result<std::vector<SignedFile>> DigestFiles(const fs::path& directory) {
  std::vector<SignedFile> files;
  std::error_code code;
  auto entry = fs::recursive_directory_iterator(directory, code);
  for (; !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
    const fs::file_status status = entry->symlink_status(code);
    if (code) break;
    const std::string name = entry->path().lexically_relative(directory).generic_string();
    if (fs::is_directory(status) || name == kSignatureFile) continue;
    if (!fs::is_regular_file(status)) {
      return Invalid(name + " is no plain file; what a link leads to could change unseen");
    }
    MUSTER_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(entry->path()));
    files.push_back({name, digest.sha256});
  }
  if (code) return IoError("list " + directory.string(), code.value());
  return files;
}

Status SignDirectory(const fs::path& directory, std::string_view model, const ModelKey& key) {
  MUSTER_ASSIGN_OR_RETURN(auto files, DigestFiles(directory));
  const std::string payload = SignatureStatement(model, std::move(files));
  MUSTER_ASSIGN_OR_RETURN(const std::string signature,
                          key.Sign(PreAuthenticationEncoding(payload)));
  return WriteFileAtomically(directory / kSignatureFile,
                             SignatureBundle(payload, signature, key.public_key_pem()));
}

Result<std::vector<std::string>> VerifyDirectory(const fs::path& directory,
                                                 const std::string& public_key_pem,
                                                 const std::string& model) {
  MUSTER_ASSIGN_OR_RETURN(const std::string key, CanonicalPublicKey(public_key_pem));
  const auto text = ReadWholeFile(directory / kSignatureFile);
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) {
    return std::vector<std::string>{"model.sig: is missing, so nothing here is vouched for"};
  }
  if (!text.ok()) return text.error();
  const auto signature = ReadSignature(*text, key);
  if (!signature.ok()) return std::vector{signature.error().message};
  if (!model.empty() && signature->model != model) {
    return std::vector<std::string>{"model.sig: is of '" + signature->model + "', not of '" +
                                    model + "'"};
  }
  const auto found = DigestFiles(directory);
  if (!found.ok() && found.error().kind == ErrorKind::kInvalid) {
    return std::vector{found.error().message};
  }
  if (!found.ok()) return found.error();
  return Differences(signature->files, *found);
}

}  // namespace muster::registry
