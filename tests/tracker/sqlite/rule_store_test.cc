#include "tracker/sqlite/rule_store.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "runtime/base/random.h"

namespace muster::tracker {
namespace {

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

/// tests/golden/rules/v<N>.db: rules.db as muster of that schema version wrote it. They are opened for ever; to
/// make that of a new version, run this test with MUSTER_WRITE_GOLDEN_RULES=<N>.
TEST_F(RuleStoreTest, OfEveryVersion_ReadsAsTheDayItWasWritten) {
  const std::filesystem::path golden = MUSTER_TEST_GOLDEN;
  if (const char* version = std::getenv("MUSTER_WRITE_GOLDEN_RULES")) {
    const auto made = SqliteRuleStore::Open(golden / ("v" + std::string(version) + ".db")).value();
    ASSERT_TRUE(made->Put(ARule("a")).ok());
    ASSERT_TRUE(made->Settle(made->Claim(AFinding("a", "x")).value().value(), "told").ok());
    ASSERT_TRUE(made->Claim(AFinding("a", "y")).ok());
  }
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".db")) continue;
    std::filesystem::copy_file(entry.path(), folder_ / name);
    const auto store = SqliteRuleStore::Open(folder_ / name).value();
    EXPECT_EQ(store->List()->at(0).webhook_id, "w") << name;
    EXPECT_EQ(store->Firings("a", 10)->at(1).outcome, "told") << name;
    EXPECT_EQ(store->Unsettled()->at(0).finding.run, RunId("y")) << name;
    EXPECT_FALSE(*store->Claim(AFinding("a", "x"))) << name;
    ++read;
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace muster::tracker
