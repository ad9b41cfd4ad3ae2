#include "tracker/gc/policy.h"

#include <gmock/gmock.h>

#include <limits>

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseAge, TakesWhatMlflowTakes) {
  EXPECT_EQ(ParseAge("30d").value(), kDefaultOlderThanMs);
  EXPECT_EQ(ParseAge("1d2h3m4s").value(), 93'784'000);
  EXPECT_EQ(ParseAge("1.5h").value(), 5'400'000);
  EXPECT_EQ(ParseAge("0s").value(), 0);
  EXPECT_EQ(ParseAge("90m").value(), 5'400'000);
}

TEST(ParseAge, RefusesTheRest) {
  for (const char* text : {"", "30", "d", "-1d", "1h1d", "1d1d", "1w", "nan d", "infd", "1e3d",
                           "1d ", "99999999999999999d"}) {
    EXPECT_EQ(ParseAge(text).error().kind, ErrorKind::kInvalid) << text;
  }
}

TEST(GcPolicyJson, ThereAndBack) {
  GcPolicy policy{.older_than_ms = 5,
                  .experiments = {"digits"},
                  .filter = "tags.a = 'b'",
                  .keep_last = 3,
                  .keep_best = 2,
                  .metric = "loss",
                  .mode = "min",
                  .dry_run = true};
  const GcPolicy again = DecodeGcPolicy(EncodeGcPolicy(policy)).value();
  EXPECT_EQ(EncodeGcPolicy(again), EncodeGcPolicy(policy));
  EXPECT_EQ(again.keep_best, 2);
  EXPECT_EQ(DecodeGcPolicy("{}")->age_ms(), kDefaultOlderThanMs);
  EXPECT_EQ(DecodeGcPolicy(R"({"runs": ["a"]})")->age_ms(), 0);
  EXPECT_EQ(DecodeGcPolicy(R"({"runs": ["a"], "older_than_ms": 7})")->age_ms(), 7);
}

TEST(GcPolicyJson, WhatIsWrongIsNamed) {
  const auto why = [](const char* json) { return DecodeGcPolicy(json).error().message; };
  EXPECT_THAT(why(R"({"older": 1})"), HasSubstr("older"));
  EXPECT_THAT(why(R"({"keep_last": "x"})"), HasSubstr("keep_last"));
  EXPECT_THAT(why(R"({"keep_last": -1})"), HasSubstr("keep_last is -1"));
  EXPECT_THAT(why(R"({"older_than_ms": -1})"), HasSubstr("older_than_ms is -1"));
  EXPECT_THAT(why(R"({"keep_best": 1})"), HasSubstr("metric"));
  EXPECT_THAT(why(R"({"keep_best": 1, "metric": "m"})"), HasSubstr("mode is ''"));
  EXPECT_THAT(why(R"({"metric": "m", "mode": "min"})"), HasSubstr("keep_best"));
  EXPECT_THAT(why(R"({"runs": ["a"], "filter": "tags.a = 'b'"})"), HasSubstr("one of the two"));
}

TEST(GcReportJson, ThereAndBack) {
  GcReport report{.phase = "done", .runs = 3, .bytes = 1LL << 40, .kept_because = {"why"}};
  EXPECT_EQ(EncodeGcReport(DecodeGcReport(EncodeGcReport(report)).value()), EncodeGcReport(report));
}

class RulesTest : public testing::Test {
 protected:
  void Add(const char* id, std::int64_t start, std::optional<double> metric, bool ended = true) {
    runs_.push_back({RunId(id), start, ended, metric});
  }
  std::vector<std::string> Retired(const GcPolicy& policy) {
    std::vector<std::string> ids;
    for (const RunId& run : RunsToRetire(runs_, policy)) ids.push_back(run.value);
    return ids;
  }
  std::vector<RunFacts> runs_;
};

TEST_F(RulesTest, NoRule_NothingIsRetired) {
  Add("a", 1, 1);
  EXPECT_THAT(Retired({}), IsEmpty());
}

TEST_F(RulesTest, AFilterAlone_RetiresAllThatHaveEnded) {
  Add("a", 1, {});
  Add("running", 2, {}, false);
  EXPECT_THAT(Retired({.filter = "tags.a = 'b'"}), ElementsAre("a"));
}

TEST_F(RulesTest, KeepLast_TheNewestStay_RunningOnesDoNotCount) {
  Add("running", 9, {}, false);
  Add("b", 3, {});
  Add("a", 3, {});
  Add("d", 1, {});
  Add("c", 2, {});
  EXPECT_THAT(Retired({.keep_last = 1}), ElementsAre("b", "c", "d")) << "of equals the smaller id";
  EXPECT_THAT(Retired({.keep_last = 3}), ElementsAre("d"));
  EXPECT_THAT(Retired({.keep_last = 9}), IsEmpty());
  EXPECT_EQ(Retired({.keep_last = 0}).size(), 4U);
}

TEST_F(RulesTest, KeepBest_ByTheMode_WithoutTheMetricLast) {
  Add("best", 1, 0.9);
  Add("worst", 2, 0.1);
  Add("nan", 3, std::numeric_limits<double>::quiet_NaN());
  Add("none", 4, {});
  Add("endless", 5, std::numeric_limits<double>::infinity());
  const GcPolicy max{.keep_best = 2, .metric = "m", .mode = "max"};
  EXPECT_THAT(Retired(max), ElementsAre("nan", "none", "worst"));
  const GcPolicy min{.keep_best = 2, .metric = "m", .mode = "min"};
  EXPECT_THAT(Retired(min), ElementsAre("endless", "nan", "none"));
  const GcPolicy all{.keep_best = 9, .metric = "m", .mode = "min"};
  EXPECT_THAT(Retired(all), ElementsAre("nan", "none"));
}

TEST_F(RulesTest, BothRules_WhatEitherKeepsStays) {
  Add("best", 1, 0.9);
  Add("newest", 3, 0.1);
  Add("neither", 2, 0.5);
  EXPECT_THAT(Retired({.keep_last = 1, .keep_best = 1, .metric = "m", .mode = "max"}),
              ElementsAre("neither"));
}

TEST_F(RulesTest, ARunThatComesTwice_CountsOnce) {
  Add("a", 3, {});
  Add("a", 3, {});
  Add("b", 2, {});
  Add("c", 1, {});
  EXPECT_THAT(Retired({.keep_last = 2}), ElementsAre("c"));
}

}  // namespace
}  // namespace muster::tracker
