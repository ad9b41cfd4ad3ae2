#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// model.sig: OpenSSF model signing v1.0 (ossf/model-signing-spec) with an elliptic curve key, as the package
/// model-signing of PyPI writes and verifies it. Pure: who signs and reads files is registry/files.
///
///   bundle     Sigstore bundle v0.3: {"mediaType", "verificationMaterial": {"publicKey": {"hint"}, "tlogEntries": []},
///              "dsseEnvelope": {"payload", "payloadType", "signatures": [{"sig", "keyid": ""}]}};
///              hint = hex SHA-256 of the public key's PEM, payload and sig in base64
///   payload    an in-toto Statement v1: one subject, the model, whose digest is the SHA-256 of all files' raw
///              digests in the order of their names, and a predicate that lists name and SHA-256 of each file
///   sig        ECDSA with SHA-256 over DSSE's pre-authentication encoding of the payload, in DER

namespace muster::registry {

inline constexpr std::string_view kSignatureFile = "model.sig";

struct SignedFile {
  std::string name;    ///< below the version's directory, '/' between folders
  std::string sha256;  ///< hex
  friend bool operator==(const SignedFile&, const SignedFile&) = default;
};

/// The payload. `files` in any order, without model.sig itself.
std::string SignatureStatement(std::string_view model, std::vector<SignedFile> files);
/// What is signed: DSSE v1's PAE of a payload.
std::string PreAuthenticationEncoding(std::string_view payload);
/// The file. `signature` is DER.
std::string SignatureBundle(std::string_view payload, std::string_view signature,
                            std::string_view public_key_pem);

struct ModelSignature {
  std::string key_hint, payload, signature;
  std::string model;
  std::vector<SignedFile> files;  ///< in order of their names
};
/// Reads a bundle without judging its signature. kCorrupt says what is wrong: no such JSON, an unknown member or
/// value, base64 that is not canonical, a root digest that is not that of the files. With the signature's own
/// check that leaves no byte of the file that may change.
Result<ModelSignature> ParseSignature(std::string_view bundle);

/// The hint for a key.
std::string KeyHint(std::string_view public_key_pem);

/// What differs, a sentence a file ("model.onnx is not what was signed: ..."), in order of names.
std::vector<std::string> Differences(const std::vector<SignedFile>& signed_files,
                                     const std::vector<SignedFile>& found);

}  // namespace muster::registry
