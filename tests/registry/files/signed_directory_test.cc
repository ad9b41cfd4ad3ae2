#include "registry/files/signed_directory.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

/// model.sig against the files it is of. What model-signing of PyPI says of it: scripts/conformance/registry.

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class SignedDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(model_ / "weights");
    Put("model.onnx", std::string("\0onnx\xff", 6));
    Put("MLmodel", "flavors: {}\n");
    Put("weights/part0", "0123456789");
    key_ = Made();
    ASSERT_TRUE(SignDirectory(model_, "digits", *key_).ok());
  }
  void TearDown() override { fs::remove_all(home_); }

  ModelKey Made() {
    auto key = ModelKey::LoadOrMake(key_file_);
    EXPECT_TRUE(key.ok()) << (key.ok() ? "" : key.error().message);
    return std::move(key).value();
  }
  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(WriteFileAtomically(model_ / name, bytes).ok());
  }
  std::vector<std::string> Findings() {
    auto findings = VerifyDirectory(model_, key_->public_key_pem());
    EXPECT_TRUE(findings.ok()) << (findings.ok() ? "" : findings.error().message);
    return findings.ok() ? *findings : std::vector<std::string>{"error"};
  }

  fs::path home_ = fs::temp_directory_path() / ("muster-signed-" + RandomHex(8));
  fs::path model_ = home_ / "model", key_file_ = home_ / "keys/model-signing.pem";
  std::optional<ModelKey> key_;
};

TEST_F(SignedDirectory, Untouched_HasNoFindings) { EXPECT_THAT(Findings(), IsEmpty()); }

TEST_F(SignedDirectory, EveryFlippedByte_IsFoundAndNamed) {
  Random random(3);
  for (const std::string name : {"model.onnx", "MLmodel", "weights/part0", "model.sig"}) {
    const std::string bytes = *ReadWholeFile(model_ / name);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << (random.Next() % 8)));
      ASSERT_TRUE(OverwriteFile(model_ / name, flipped).ok());
      ASSERT_THAT(Findings(), ElementsAre(StartsWith(name))) << name << " byte " << i;
    }
    ASSERT_TRUE(OverwriteFile(model_ / name, bytes).ok());
  }
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(SignedDirectory, AddedAndMissingFiles_AreNamed) {
  Put("extra.py", "import os\n");
  fs::remove(model_ / "MLmodel");
  EXPECT_THAT(Findings(), ElementsAre("MLmodel is missing", "extra.py was not signed"));
  fs::remove(model_ / "model.sig");
  EXPECT_THAT(Findings(), ElementsAre(StartsWith("model.sig: is missing")));
}

TEST_F(SignedDirectory, LinkInPlaceOfAFile_IsFound_AndNotSigned) {
  fs::rename(model_ / "MLmodel", home_ / "aside");
  fs::create_symlink(home_ / "aside", model_ / "MLmodel");
  EXPECT_THAT(Findings(), ElementsAre(StartsWith("MLmodel is no plain file")));
  EXPECT_FALSE(SignDirectory(model_, "digits", *key_).ok());
}

TEST_F(SignedDirectory, AnotherKey_IsTold) {
  fs::remove_all(key_file_.parent_path());
  const ModelKey other = Made();
  const auto findings = VerifyDirectory(model_, other.public_key_pem());
  EXPECT_THAT(*findings, ElementsAre(HasSubstr("signed with another key")));
}

TEST_F(SignedDirectory, AnotherKeyWithTheHintForged_DoesNotVerify) {
  fs::remove_all(key_file_.parent_path());
  const ModelKey other = Made();
  const auto signature = ParseSignature(*ReadWholeFile(model_ / "model.sig"));
  Put("model.sig",
      SignatureBundle(signature->payload, signature->signature, other.public_key_pem()));
  EXPECT_THAT(*VerifyDirectory(model_, other.public_key_pem()),
              ElementsAre(HasSubstr("the signature is not by this key")));
}

TEST_F(SignedDirectory, Key_IsMadeOnceAndPrivate) {
  EXPECT_EQ(Made().public_key_pem(), key_->public_key_pem());
  EXPECT_EQ(*ReadWholeFile(PublicKeyFile(key_file_)), key_->public_key_pem());
  EXPECT_EQ(fs::status(key_file_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(WriteFileAtomically(key_file_, "garbage").ok());
  EXPECT_EQ(ModelKey::LoadOrMake(key_file_).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(VerifyDirectory(model_, "garbage").error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::registry
