#include "registry/signing_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>

#include "runtime/base/base64.h"

namespace muster::registry {
namespace {

constexpr std::size_t kSignatureBytes = 64;

EVP_PKEY* Raw(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }
std::shared_ptr<void> Owned(EVP_PKEY* key) {
  return {key, [](void* raw) { EVP_PKEY_free(static_cast<EVP_PKEY*>(raw)); }};
}

using Bio = std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype([](EVP_MD_CTX* c) { EVP_MD_CTX_free(c); })>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <typename Read>
Result<std::shared_ptr<void>> Parse(std::string_view pem, const char* wanted, Read read) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  auto key = Owned(read(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_id(Raw(key)) != EVP_PKEY_ED25519) {
    return Invalid(std::string("not the PEM text of ") + wanted + " Ed25519 key");
  }
  return key;
}

template <typename Write>
std::string Print(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  MUSTER_CHECK(write(bio.get()) == 1, "a key that is held can be printed");
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Result<PublicKey> PublicKey::FromPem(std::string_view pem) {
  MUSTER_ASSIGN_OR_RETURN(auto key, Parse(pem, "a public", PEM_read_bio_PUBKEY));
  return PublicKey(std::move(key));
}

std::string PublicKey::Pem() const {
  return Print([this](BIO* bio) { return PEM_write_bio_PUBKEY(bio, Raw(key_)); });
}

bool PublicKey::Verifies(std::string_view message, std::string_view signature) const {
  const auto bytes = DecodeBase64(signature);
  if (!bytes.ok() || bytes->size() != kSignatureBytes) return false;
  const Context context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, Raw(key_)) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(*bytes), bytes->size(), Bytes(message),
                          message.size()) == 1;
}

SigningKey SigningKey::Generate() {
  auto key = Owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  MUSTER_CHECK(key != nullptr, "OpenSSL makes Ed25519 keys");
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::FromPem(std::string_view pem) {
  MUSTER_ASSIGN_OR_RETURN(auto key, Parse(pem, "a private", PEM_read_bio_PrivateKey));
  return SigningKey(std::move(key));
}

std::string SigningKey::Pem() const {
  return Print([this](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, Raw(key_), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string SigningKey::Sign(std::string_view message) const {
  const Context context(EVP_MD_CTX_new());
  std::array<char, kSignatureBytes> signature{};
  std::size_t size = signature.size();
  const bool done =
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, Raw(key_)) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     Bytes(message), message.size()) == 1;
  MUSTER_CHECK(done && size == kSignatureBytes, "Ed25519 signs whatever it is given");
  return EncodeBase64({signature.data(), size});
}

}  // namespace muster::registry
