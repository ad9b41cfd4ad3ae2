#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Ed25519 (RFC 8032) by OpenSSL: what the audit is signed with. Keys travel as PEM (PKCS #8, RFC 8410, as
/// `openssl genpkey -algorithm ed25519` writes them), signatures as base64. Safe from any thread; copies share the key.

namespace muster::registry {

class PublicKey {
 public:
  /// kInvalid: no PEM of a public Ed25519 key.
  static Result<PublicKey> FromPem(std::string_view pem);
  [[nodiscard]] std::string Pem() const;
  /// Also false when `signature` is no base64 of 64 bytes.
  [[nodiscard]] bool Verifies(std::string_view message, std::string_view signature) const;
  friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.Pem() == b.Pem(); }

 private:
  friend class SigningKey;
  explicit PublicKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // an EVP_PKEY
};

class SigningKey {
 public:
  static SigningKey Generate();
  /// kInvalid: no PEM of a private Ed25519 key.
  static Result<SigningKey> FromPem(std::string_view pem);
  [[nodiscard]] std::string Pem() const;
  [[nodiscard]] std::string Sign(std::string_view message) const;
  [[nodiscard]] PublicKey public_key() const { return PublicKey(key_); }

 private:
  explicit SigningKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // an EVP_PKEY
};

}  // namespace muster::registry
