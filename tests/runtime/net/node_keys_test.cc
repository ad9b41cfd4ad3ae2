#include "runtime/net/node_keys.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace muster::net {
namespace {

class NodeKeysTest : public testing::Test {
 protected:
  NodeKeysTest() {
    char name[] = "/tmp/muster_keys_XXXXXX";
    folder_ = mkdtemp(name);
    keys_ = Open();
  }
  ~NodeKeysTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<NodeKeys> Open() {
    auto keys = NodeKeys::Open(folder_ / "agents.json", {{own_, NodeId("local")}},
                               [this](const AllowList& list) { enforced_ = list; });
    EXPECT_TRUE(keys.ok());
    return std::move(keys).value();
  }
  void See(const std::string& key) {
    keys_->OnSeen(key);
    ASSERT_TRUE(keys_->Settle().ok());
  }

  const std::string own_ = MakeKeyPair()->public_key;
  const std::string first_ = MakeKeyPair()->public_key;
  const std::string second_ = MakeKeyPair()->public_key;
  const std::string third_ = MakeKeyPair()->public_key;
  const NodeId a_{"a"};
  AllowList enforced_;
  std::filesystem::path folder_;
  std::unique_ptr<NodeKeys> keys_;
};

TEST_F(NodeKeysTest, Invited_IsEnforcedAtOnceAndAfterARestart) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  EXPECT_EQ(enforced_.at(first_).node, a_);
  EXPECT_EQ(enforced_.at(own_).node, NodeId("local"));
  EXPECT_EQ(keys_->List().size(), 1U);  // the local agent's is in no file
  enforced_.clear();
  keys_ = Open();
  EXPECT_EQ(enforced_.at(first_).node, a_);
  EXPECT_EQ(enforced_.at(first_).added_ms, 5);
}

TEST_F(NodeKeysTest, Invite_OfAKnownNodeAUsedKeyOrABadName_IsRefused) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  EXPECT_EQ(keys_->Invite(a_, second_, 6).error().kind, ErrorKind::kAlreadyExists);
  EXPECT_EQ(keys_->Invite(NodeId("local"), second_, 6).error().kind, ErrorKind::kAlreadyExists);
  EXPECT_EQ(keys_->Invite(NodeId("b"), first_, 6).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(keys_->Invite(NodeId("b"), own_, 6).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(keys_->Invite(NodeId("b"), "short", 6).error().kind, ErrorKind::kInvalid);
  for (const char* name : {"", "../x", "-a", "a b", "a/b", "\xC3\xA9"})
    EXPECT_EQ(keys_->Invite(NodeId(name), second_, 6).error().kind, ErrorKind::kInvalid) << name;
  EXPECT_EQ(keys_->Invite(NodeId(std::string(65, 'a')), second_, 6).error().kind,
            ErrorKind::kInvalid);
  EXPECT_EQ(enforced_.size(), 2U);
}

TEST_F(NodeKeysTest, Revoked_AllItsKeysGo) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  ASSERT_TRUE(keys_->Rotate(a_, second_, 6).ok());
  EXPECT_EQ(*keys_->Revoke(a_), 2);
  EXPECT_EQ(enforced_.size(), 1U);
  EXPECT_EQ(keys_->Revoke(a_).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(keys_->Revoke(NodeId("local")).error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(keys_->Invite(a_, third_, 7).ok());
}

TEST_F(NodeKeysTest, Rotated_TheOldKeyHoldsUntilTheNewOneWasSeen) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  See(first_);
  ASSERT_TRUE(keys_->Rotate(a_, second_, 5).ok());  // the clock stood still
  See(first_);
  EXPECT_TRUE(enforced_.contains(first_));
  EXPECT_TRUE(enforced_.contains(second_));
  See(second_);
  EXPECT_FALSE(enforced_.contains(first_));
  EXPECT_TRUE(enforced_.at(second_).seen);
}

TEST_F(NodeKeysTest, RotatedTwice_TheUnusedKeyIsReplacedNotTheUsedOne) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  See(first_);
  ASSERT_TRUE(keys_->Rotate(a_, second_, 6).ok());
  ASSERT_TRUE(keys_->Rotate(a_, third_, 7).ok());
  EXPECT_TRUE(enforced_.contains(first_));
  EXPECT_FALSE(enforced_.contains(second_));
  EXPECT_TRUE(enforced_.contains(third_));
}

TEST_F(NodeKeysTest, Rotate_OfAStranger_IsNotFound) {
  EXPECT_EQ(keys_->Rotate(a_, first_, 5).error().kind, ErrorKind::kNotFound);
}

TEST_F(NodeKeysTest, SeenKeyThatWasRevokedMeanwhile_ChangesNothing) {
  ASSERT_TRUE(keys_->Invite(a_, first_, 5).ok());
  keys_->OnSeen(first_);
  ASSERT_TRUE(keys_->Revoke(a_).ok());
  EXPECT_TRUE(keys_->Settle().ok());
  EXPECT_TRUE(keys_->List().empty());
}

}  // namespace
}  // namespace muster::net
