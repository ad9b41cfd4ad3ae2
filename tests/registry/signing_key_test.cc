#include "registry/signing_key.h"

#include <gtest/gtest.h>

#include "runtime/base/base64.h"

namespace muster::registry {
namespace {

std::string Bytes(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string Pem(std::string_view label, std::string_view der) {
  const std::string name(label);
  return "-----BEGIN " + name + "-----\n" + EncodeBase64(der) + "\n-----END " + name + "-----\n";
}

/// RFC 8032, 7.1, TEST 3; the keys in the envelopes of RFC 8410.
const std::string kSecret =
    Pem("PRIVATE KEY", Bytes("302e020100300506032b657004220420"
                             "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
const std::string kPublic =
    Pem("PUBLIC KEY", Bytes("302a300506032b6570032100"
                            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
const std::string kSignature =
    EncodeBase64(Bytes("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                       "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"));
constexpr std::string_view kMessage = "\xaf\x82";

TEST(SigningKey, SignsAsTheRfcSays) {
  const auto key = SigningKey::FromPem(kSecret);
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(key->Sign(kMessage), kSignature);
  EXPECT_EQ(key->public_key().Pem(), kPublic);
  EXPECT_EQ(key->Pem(), kSecret);
  const auto verifier = PublicKey::FromPem(kPublic);
  ASSERT_TRUE(verifier.ok());
  EXPECT_TRUE(verifier->Verifies(kMessage, kSignature));
}

TEST(SigningKey, AnythingElse_DoesNotVerify) {
  const auto key = *PublicKey::FromPem(kPublic);
  EXPECT_FALSE(key.Verifies("\xaf\x83", kSignature));
  EXPECT_FALSE(key.Verifies(kMessage, ""));
  EXPECT_FALSE(key.Verifies(kMessage, "no base64"));
  EXPECT_FALSE(key.Verifies(kMessage, kSignature.substr(0, 40)));
  EXPECT_FALSE(SigningKey::Generate().public_key().Verifies(kMessage, kSignature));
}

TEST(SigningKey, NoKey_IsInvalid) {
  EXPECT_FALSE(SigningKey::FromPem("").ok());
  EXPECT_FALSE(SigningKey::FromPem(kPublic).ok());
  EXPECT_FALSE(PublicKey::FromPem(kSecret).ok());
}

}  // namespace
}  // namespace muster::registry
