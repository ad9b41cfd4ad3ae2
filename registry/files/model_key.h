#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// The registry's key for model.sig: ECDSA on P-256 with SHA-256 (FIPS 186-5), by OpenSSL.

namespace muster::registry {

/// A private key. Any thread.
class ModelKey {
 public:
  /// Reads the PEM file (PKCS 8); where there is none, makes a key and writes it with mode 0600, and beside it the
  /// public key as <stem>.pub. kCorrupt: the file holds no P-256 key.
  static Result<ModelKey> LoadOrMake(const std::filesystem::path& file);

  /// DER. Two signatures of the same bytes differ.
  [[nodiscard]] Result<std::string> Sign(std::string_view bytes) const;
  /// SubjectPublicKeyInfo, as PEM.
  [[nodiscard]] const std::string& public_key_pem() const { return public_key_pem_; }

 private:
  struct Key;
  ModelKey() = default;
  std::shared_ptr<const Key> key_;
  std::string public_key_pem_;
};

/// The file of the public key that belongs to a private key's file.
std::filesystem::path PublicKeyFile(const std::filesystem::path& private_key);

/// Ok when `signature` (DER) over `bytes` is by the key; kCorrupt when it is not. kInvalid: `public_key_pem` is no
/// key on P-256.
Status VerifySignature(const std::string& public_key_pem, std::string_view bytes,
                       std::string_view signature);
/// The same key in the one form that its hint is computed of. kInvalid as above.
Result<std::string> CanonicalPublicKey(const std::string& public_key_pem);

}  // namespace muster::registry
