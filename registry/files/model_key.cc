#include "registry/files/model_key.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Free>;
using BioPtr = std::unique_ptr<BIO, Free>;

BioPtr Memory(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool IsP256(const EVP_PKEY* key) {
  char group[32];
  return key != nullptr && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
         std::string_view(group) == "prime256v1";
}

std::string PublicPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  MUSTER_CHECK(PEM_write_bio_PUBKEY(bio.get(), key) == 1, "OpenSSL writes public keys");
  return Text(bio.get());
}

Result<KeyPtr> ReadPublicKey(const std::string& pem) {
  KeyPtr key(PEM_read_bio_PUBKEY(Memory(pem).get(), nullptr, nullptr, nullptr));
  if (!IsP256(key.get())) return Invalid("no public key on P-256 in PEM");
  return key;
}

}  // namespace

struct ModelKey::Key {
  KeyPtr pkey;
};

fs::path PublicKeyFile(const fs::path& private_key) {
  return fs::path(private_key).replace_extension(".pub");
}

Result<ModelKey> ModelKey::LoadOrMake(const fs::path& file) {
  KeyPtr pkey;
  auto pem = ReadWholeFile(file);
  if (pem.ok()) {
    pkey.reset(PEM_read_bio_PrivateKey(Memory(*pem).get(), nullptr, nullptr, nullptr));
    if (!IsP256(pkey.get())) return Corrupt(file.string() + " holds no private key on P-256");
  } else if (pem.error().kind == ErrorKind::kNotFound) {
    pkey.reset(EVP_EC_gen("P-256"));
    MUSTER_CHECK(pkey != nullptr, "OpenSSL makes P-256 keys");
    const BioPtr bio(BIO_new(BIO_s_mem()));
    MUSTER_CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), pkey.get(), nullptr, nullptr, 0, nullptr,
                                               nullptr) == 1,
                 "OpenSSL writes private keys");
    std::error_code code;
    fs::create_directories(file.parent_path(), code);
    if (code) return IoError("make " + file.parent_path().string(), code.value());
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, Text(bio.get()), 0600));
  } else {
    return pem.error();
  }
  ModelKey key;
  key.public_key_pem_ = PublicPem(pkey.get());
  key.key_ = std::make_shared<Key>(std::move(pkey));
  // Always: a crash may have come between the two files.
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(PublicKeyFile(file), key.public_key_pem_));
  return key;
}

Result<std::string> ModelKey::Sign(std::string_view bytes) const {
  const DigestPtr context(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t size = 0;
  std::string signature;
  const bool sized =
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->pkey.get()) == 1 &&
      EVP_DigestSign(context.get(), nullptr, &size, data, bytes.size()) == 1;
  signature.resize(size);
  if (!sized || EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                               &size, data, bytes.size()) != 1) {
    return Internal("OpenSSL cannot sign");
  }
  signature.resize(size);
  return signature;
}

Status VerifySignature(const std::string& public_key_pem, std::string_view bytes,
                       std::string_view signature) {
  MUSTER_ASSIGN_OR_RETURN(const KeyPtr key, ReadPublicKey(public_key_pem));
  const DigestPtr context(EVP_MD_CTX_new());
  const bool verified =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size()) == 1;
  if (!verified) return Corrupt("the signature is not by this key over these bytes");
  return Ok();
}

Result<std::string> CanonicalPublicKey(const std::string& public_key_pem) {
  MUSTER_ASSIGN_OR_RETURN(const KeyPtr key, ReadPublicKey(public_key_pem));
  return PublicPem(key.get());
}

}  // namespace muster::registry
