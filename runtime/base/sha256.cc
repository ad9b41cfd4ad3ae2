#include "runtime/base/sha256.h"

#include <openssl/evp.h>

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
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(std::size_t{2} * size);
  for (unsigned int i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Hex();
}

}  // namespace muster
