#include "tracker/sqlite/rule_store.h"

#include <gmock/gmock.h>

#include "runtime/base/random.h"

namespace muster::tracker {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class RuleStoreTest : public testing::Test {
 protected:
  RuleStoreTest() {
    std::filesystem::create_directories(folder_);
    Reopen();
  }
  ~RuleStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Reopen() {
    store_.reset();
    store_ = SqliteRuleStore::Open(folder_ / "rules.db").value();
  }
  static Rule ARule(std::string name) {
    Rule rule;
    rule.name = std::move(name);
    rule.webhook_id = "w";
    return rule;
  }
  static Finding AFinding(std::string rule, std::string run) {
    return {.rule = std::move(rule), .run = RunId(std::move(run)), .metric = "loss", .value = 3};
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-rules-" + RandomHex(8));
  std::unique_ptr<SqliteRuleStore> store_;
};

TEST_F(RuleStoreTest, Rules_OutliveTheirStore) {
  ASSERT_TRUE(store_->Put(ARule("b")).ok());
  ASSERT_TRUE(store_->Put(ARule("a")).ok());
  Rule again = ARule("a");
  again.metric = "loss";
  ASSERT_TRUE(store_->Put(again).ok());
  Reopen();
  const auto rules = store_->List().value();
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_EQ(rules[0].name, "a");
  EXPECT_EQ(rules[0].metric, "loss");
  EXPECT_EQ(store_->Put(ARule("No")).error().kind, ErrorKind::kInvalid);
  ASSERT_TRUE(store_->Delete("a").ok());
  EXPECT_EQ(store_->Delete("a").error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(*store_->List(), SizeIs(1));
}

TEST_F(RuleStoreTest, AFinding_IsClaimedOnce_AlsoAfterAReopen) {
  const auto first = store_->Claim(AFinding("a", "x")).value();
  ASSERT_TRUE(first);
  EXPECT_FALSE(*store_->Claim(AFinding("a", "x")));
  EXPECT_TRUE(*store_->Claim(AFinding("a", "y")));
  EXPECT_TRUE(*store_->Claim(AFinding("b", "x")));
  Reopen();
  EXPECT_FALSE(*store_->Claim(AFinding("a", "x")));
  EXPECT_THAT(*store_->Unsettled(), SizeIs(3));
  ASSERT_TRUE(store_->Settle(*first, "told").ok());
  EXPECT_THAT(*store_->Unsettled(), SizeIs(2));
  const auto firings = store_->Firings("a", 10).value();
  ASSERT_THAT(firings, SizeIs(2));
  EXPECT_EQ(firings[0].finding.run, RunId("y")) << "newest first";
  EXPECT_TRUE(firings[1].settled);
  EXPECT_EQ(firings[1].outcome, "told");
  EXPECT_EQ(firings[1].finding.value, 3);
  EXPECT_THAT(*store_->Firings("", 2), SizeIs(2));
}

TEST_F(RuleStoreTest, ARuleThatIsPutAgain_FindsAnew_AndKeepsItsHistory) {
  ASSERT_TRUE(store_->Put(ARule("a")).ok());
  ASSERT_TRUE(*store_->Claim(AFinding("a", "x")));
  ASSERT_TRUE(store_->Put(ARule("a")).ok());
  EXPECT_TRUE(*store_->Claim(AFinding("a", "x")));
  ASSERT_TRUE(store_->Delete("a").ok());
  EXPECT_THAT(*store_->Firings("a", 10), SizeIs(2));
}

}  // namespace
}  // namespace muster::tracker
