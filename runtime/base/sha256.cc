#include "runtime/base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "runtime/base/check.h"

namespace muster {

struct Sha256::Context {
  EVP_MD_CTX* const digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  const int done = EVP_DigestInit_ex(context_->digest, EVP_sha256(), nullptr);
  MUSTER_CHECK(done == 1, "OpenSSL has SHA-256");
}

Sha256::~Sha256() = default;

void Sha256::Update(std::string_view bytes) {
  const int done = EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size());
  MUSTER_CHECK(done == 1, "SHA-256 of bytes in memory cannot fail");
}

std::string Sha256::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const int done = EVP_DigestFinal_ex(context_->digest, digest, &size);
  MUSTER_CHECK(done == 1, "a digest is finished once");
  return muster::Hex({reinterpret_cast<const char*>(digest), size});
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Hex();
}

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  unsigned char code[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const auto* done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), code, &size);
  MUSTER_CHECK(done != nullptr, "HMAC of bytes in memory cannot fail");
  return {reinterpret_cast<const char*>(code), size};
}

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

}  // namespace muster
