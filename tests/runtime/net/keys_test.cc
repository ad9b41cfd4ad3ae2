#include "runtime/net/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"

namespace muster::net {
namespace {

class KeysTest : public testing::Test {
 protected:
  KeysTest() {
    char name[] = "/tmp/muster_keys_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~KeysTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(KeysTest, LoadOrMake_Twice_GivesTheSamePairInAPrivateFile) {
  const auto first = LoadOrMakeKeyPair(folder_ / "server.key");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->public_key.size(), 40U);
  EXPECT_NE(first->public_key, first->secret_key);
  struct stat status{};
  ASSERT_EQ(stat((folder_ / "server.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const auto second = LoadOrMakeKeyPair(folder_ / "server.key");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->secret_key, first->secret_key);
}

TEST_F(KeysTest, Load_FileThatOthersCanRead_IsRefused) {
  ASSERT_TRUE(LoadOrMakeKeyPair(folder_ / "k").ok());
  ASSERT_EQ(chmod((folder_ / "k").c_str(), 0644), 0);
  EXPECT_EQ(LoadKeyPair(folder_ / "k").error().kind, ErrorKind::kUnauthorized);
}

TEST_F(KeysTest, Load_TruncatedKey_IsCorruptAndNamesTheFile) {
  ASSERT_TRUE(
      WriteFileAtomically(folder_ / "k", R"({"public_key":"abc","secret_key":"def"})", 0600).ok());
  const auto answer = LoadKeyPair(folder_ / "k");
  EXPECT_EQ(answer.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(answer.error().message.find((folder_ / "k").string()), std::string::npos);
}

TEST_F(KeysTest, AllowList_SavedAndLoaded_IsTheSame) {
  EXPECT_TRUE(LoadAllowList(folder_ / "none")->empty());
  const AllowList list{{MakeKeyPair()->public_key, NodeId("a")},
                       {MakeKeyPair()->public_key, NodeId("b")}};
  ASSERT_TRUE(SaveAllowList(folder_ / "allowed", list).ok());
  EXPECT_EQ(*LoadAllowList(folder_ / "allowed"), list);
}

}  // namespace
}  // namespace muster::net
