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

TEST_F(KeysTest, AllowListOfAnEarlierVersion_IsRead) {
  const std::string key = MakeKeyPair()->public_key;
  ASSERT_TRUE(WriteFileAtomically(folder_ / "old", R"({")" + key + R"(":"a"})", 0600).ok());
  EXPECT_EQ(*LoadAllowList(folder_ / "old"), (AllowList{{key, NodeId("a")}}));
}

TEST_F(KeysTest, AllowListWithAnUnknownRole_IsCorruptAndNamesTheKnown) {
  const std::string key = MakeKeyPair()->public_key;
  ASSERT_TRUE(
      WriteFileAtomically(folder_ / "new", R"({")" + key + R"(":{"node":"a","role":"king"}})")
          .ok());
  const auto list = LoadAllowList(folder_ / "new");
  ASSERT_FALSE(list.ok());
  EXPECT_NE(list.error().message.find("agent, admin, observer"), std::string::npos);
}

TEST_F(KeysTest, NodeKey_SavedAndLoaded_IsTheSameAndPrivate) {
  const NodeKey key{NodeId("a"), "tcp://127.0.0.1:7071", MakeKeyPair()->public_key, *MakeKeyPair()};
  ASSERT_TRUE(SaveNodeKey(folder_ / "a.key", key).ok());
  struct stat status{};
  ASSERT_EQ(stat((folder_ / "a.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const auto back = LoadNodeKey(folder_ / "a.key");
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->node, key.node);
  EXPECT_EQ(back->endpoint, key.endpoint);
  EXPECT_EQ(back->server_public_key, key.server_public_key);
  EXPECT_EQ(back->keys.secret_key, key.keys.secret_key);
  EXPECT_EQ(SaveNodeKey(folder_ / "a.key", key).error().kind, ErrorKind::kAlreadyExists);
  ASSERT_EQ(chmod((folder_ / "a.key").c_str(), 0640), 0);
  EXPECT_EQ(LoadNodeKey(folder_ / "a.key").error().kind, ErrorKind::kUnauthorized);
}

TEST_F(KeysTest, KeyPairInPlaceOfANodeKey_SaysWhatIsWanted) {
  ASSERT_TRUE(SaveKeyPair(folder_ / "k", *MakeKeyPair()).ok());
  const auto key = LoadNodeKey(folder_ / "k");
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(key.error().message.find("muster node invite"), std::string::npos);
}

}  // namespace
}  // namespace muster::net
