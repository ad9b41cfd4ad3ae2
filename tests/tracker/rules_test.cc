#include "tracker/rules.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace muster::tracker {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr UnixMillis kStart = 1'700'000'000'000;

Rule ARule(RuleKind kind, double bound = 0, std::int64_t points = 1, std::int64_t least = 0) {
  Rule rule;
  rule.name = "r";
  rule.kind = kind;
  rule.metric = "loss";
  rule.bound = bound;
  rule.points = points;
  rule.least = least;
  rule.stop = true;
  return rule;
}

/// Feeds values of one metric, a step and a second each.
class Runs {
 public:
  explicit Runs(Rule rule) : engine_({std::move(rule)}) {}

  std::vector<Finding> Log(const std::string& run, const std::vector<double>& values,
                           const std::string& key = "loss", const std::string& experiment = "1") {
    std::vector<Finding> all;
    for (const double value : values) {
      now_ += 1000;
      const Metric point{key, value, now_, steps_[run + key]++};
      for (Finding& f : engine_.Observe(RunId(run), experiment, {&point, 1}, now_)) {
        all.push_back(std::move(f));
      }
    }
    return all;
  }
  std::vector<Finding> TickAfter(std::int64_t seconds) {
    return engine_.Tick(now_ + seconds * 1000);
  }
  RuleEngine& engine() { return engine_; }
  [[nodiscard]] UnixMillis now() const { return now_; }

 private:
  RuleEngine engine_;
  std::map<std::string, std::int64_t> steps_;
  UnixMillis now_ = kStart;
};

TEST(RuleNan, NanAndInfinity_AreFound_Once) {
  for (const double bad : {kNan, kInf, -kInf}) {
    Runs runs(ARule(RuleKind::kNan));
    const auto found = runs.Log("a", {1, 2, bad, bad, 3, bad});
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].rule, "r");
    EXPECT_EQ(found[0].run, RunId("a"));
    EXPECT_EQ(found[0].experiment_id, "1");
    EXPECT_EQ(found[0].metric, "loss");
    EXPECT_EQ(found[0].step, 2);
    EXPECT_EQ(found[0].time_ms, kStart + 3000);
    EXPECT_EQ(std::isnan(found[0].value), std::isnan(bad));
    EXPECT_TRUE(std::isnan(found[0].bound));
    EXPECT_THAT(found[0].text, HasSubstr("rule r: metric loss of run a is "));
    EXPECT_THAT(runs.Log("b", {bad}), SizeIs(1)) << "another run";
  }
}

TEST(RuleNan, WithoutAMetric_WatchesEach) {
  Rule rule = ARule(RuleKind::kNan);
  rule.metric.clear();
  Runs runs(rule);
  EXPECT_THAT(runs.Log("a", {kNan}, "x"), SizeIs(1));
  EXPECT_THAT(runs.Log("a", {kNan}, "y"), SizeIs(1));
  EXPECT_THAT(runs.Log("a", {kNan}, "x"), IsEmpty());
}

TEST(RuleNan, ALatePoint_IsLookedAt) {
  Runs runs(ARule(RuleKind::kNan));
  runs.Log("a", {1, 2, 3});
  const Metric late{"loss", kNan, kStart, 0};
  EXPECT_THAT(runs.engine().Observe(RunId("a"), "1", {&late, 1}, kStart), SizeIs(1));
}

TEST(RuleOfAnExperiment, WatchesNoOther) {
  Rule rule = ARule(RuleKind::kNan);
  rule.experiment_id = "2";
  Runs runs(rule);
  EXPECT_THAT(runs.Log("a", {kNan}), IsEmpty());
  EXPECT_THAT(runs.Log("b", {kNan}, "loss", "2"), SizeIs(1));
}

TEST(RuleThreshold, NeedsItsPointsInARow) {
  Runs runs(ARule(RuleKind::kThreshold, 10, 3));
  EXPECT_THAT(runs.Log("a", {11, 12, 10, 11, 11, kNan}), IsEmpty()) << "10 is not above 10";
  const auto found = runs.Log("a", {13});
  ASSERT_THAT(found, SizeIs(1)) << "NaN neither counts nor breaks the row";
  EXPECT_EQ(found[0].value, 13);
  EXPECT_EQ(found[0].bound, 10);
  EXPECT_EQ(found[0].text,
            "rule r: metric loss of run a is 13, 3 times in a row, above 10 at step 6");
}

TEST(RuleThreshold, WhereLessIsWorse_LooksBelow) {
  Rule rule = ARule(RuleKind::kThreshold, 0.5);
  rule.less_is_worse = true;
  Runs runs(rule);
  EXPECT_THAT(runs.Log("a", {0.9, 0.5}), IsEmpty());
  EXPECT_THAT(runs.Log("a", {0.4}).at(0).text, HasSubstr("is 0.4 below 0.5"));
}

TEST(RuleThreshold, ARepetition_IsNotCountedTwice) {
  Runs runs(ARule(RuleKind::kThreshold, 10, 2));
  const Metric point{"loss", 11, kStart, 5};
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(runs.engine().Observe(RunId("a"), "1", {&point, 1}, kStart + i), IsEmpty());
  }
}

TEST(RuleThreshold, ALaterAttempt_CountsFromItsStepOn) {
  Runs runs(ARule(RuleKind::kThreshold, 10, 2));
  Metric point{"loss", 11, kStart, 50, 1};
  EXPECT_THAT(runs.engine().Observe(RunId("a"), "1", {&point, 1}, kStart), IsEmpty());
  point.step = 20;
  EXPECT_THAT(runs.engine().Observe(RunId("a"), "1", {&point, 1}, kStart), IsEmpty()) << "late";
  point.attempt = 2;
  EXPECT_THAT(runs.engine().Observe(RunId("a"), "1", {&point, 1}, kStart), SizeIs(1));
}

TEST(RuleDivergence, WorseThanItsBestByTheFactor_IsFound) {
  Runs runs(ARule(RuleKind::kDivergence, 3, 2));
  EXPECT_THAT(runs.Log("a", {4, 2, 1, 2.9, 3.1, 2, 3.1}), IsEmpty());
  const auto found = runs.Log("a", {5});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].bound, 3);
  EXPECT_THAT(found[0].text, HasSubstr("is 5, 2 times in a row, above 3, its best is 1"));
}

TEST(RuleDivergence, BeforeItsLeastValues_IsPatient) {
  Runs runs(ARule(RuleKind::kDivergence, 2, 1, 3));
  EXPECT_THAT(runs.Log("a", {1, 9, 9}), IsEmpty());
  EXPECT_THAT(runs.Log("a", {9}), SizeIs(1));
}

TEST(RuleDivergence, OfNegativeValues_StillMeansWorse) {
  Runs runs(ARule(RuleKind::kDivergence, 1.5));
  EXPECT_THAT(runs.Log("a", {-8, -10, -6}), IsEmpty()) << "the bound is -5";
  EXPECT_THAT(runs.Log("a", {-4}), SizeIs(1));
  Rule accuracy = ARule(RuleKind::kDivergence, 1.5);
  accuracy.less_is_worse = true;
  Runs more(accuracy);
  EXPECT_THAT(more.Log("a", {0.5, 0.8, 0.5}), IsEmpty()) << "the bound is 0.4";
  EXPECT_THAT(more.Log("a", {0.39}), SizeIs(1));
}

TEST(RulePlateau, NothingBetterWithinItsPoints_IsFound) {
  Runs runs(ARule(RuleKind::kPlateau, 0.1, 3));
  EXPECT_THAT(runs.Log("a", {5, 4, 4, 4, 3.8, 3.8, 3.75}), IsEmpty());
  const auto found = runs.Log("a", {3.71});
  ASSERT_THAT(found, SizeIs(1)) << "steps of 0.05 from 3.8 are no progress of more than 0.1";
  EXPECT_THAT(found[0].text, HasSubstr("got no better than 3.8 by more than 0.1 within 3 values"));
}

TEST(RulePlateau, SlowButSteadyProgress_IsProgress) {
  Rule rule = ARule(RuleKind::kPlateau, 0.1, 5);
  rule.less_is_worse = true;
  Runs runs(rule);
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(0.03 * i);
  EXPECT_THAT(runs.Log("a", values), IsEmpty());
}

TEST(RuleStuck, SilenceOfManyIntervals_IsFound) {
  Runs runs(ARule(RuleKind::kStuck, 10));
  runs.Log("a", {1, 2, 3, 4, 5, 6});  // a second between them
  EXPECT_THAT(runs.TickAfter(10), IsEmpty());
  const auto found = runs.TickAfter(11);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].value, 11);
  EXPECT_EQ(found[0].bound, 10);
  EXPECT_EQ(found[0].step, 5);
  EXPECT_THAT(runs.TickAfter(100), IsEmpty()) << "once";
}

TEST(RuleStuck, FewerThanFiveIntervals_TellNothing) {
  Runs runs(ARule(RuleKind::kStuck, 10));
  runs.Log("a", {1, 2, 3, 4, 5});
  EXPECT_THAT(runs.TickAfter(1'000'000), IsEmpty());
}

TEST(RuleStuck, ItsLeastSeconds_AreWaitedFor) {
  Runs runs(ARule(RuleKind::kStuck, 2, 1, 60));
  runs.Log("a", {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(runs.TickAfter(60), IsEmpty());
  EXPECT_THAT(runs.TickAfter(61), SizeIs(1));
}

TEST(RuleStuck, ARunThatHasEnded_IsNotStuck) {
  Runs runs(ARule(RuleKind::kStuck, 10));
  runs.Log("a", {1, 2, 3, 4, 5, 6});
  runs.engine().End(RunId("a"));
  EXPECT_THAT(runs.TickAfter(100), IsEmpty());
}

TEST(RuleZScore, FarWorseThanTheOthersAtTheSameStep_IsFound) {
  Runs runs(ARule(RuleKind::kZScore, 5, 2, 4));
  for (int i = 0; i < 5; ++i) {
    const double base = 1 + 0.01 * i;
    EXPECT_THAT(runs.Log("ok" + std::to_string(i), {10 * base, 5 * base, base}), IsEmpty());
  }
  const auto found = runs.Log("bad", {10, 20, 30, 40});
  ASSERT_THAT(found, SizeIs(1)) << "at step 2: step 3 was reached by no other";
  EXPECT_EQ(found[0].step, 2);
  EXPECT_GT(found[0].value, 5);
  EXPECT_EQ(found[0].bound, 5);
}

TEST(RuleZScore, BetterThanTheOthers_OrOfAnotherExperiment_IsNot) {
  Runs runs(ARule(RuleKind::kZScore, 5, 1, 4));
  for (int i = 0; i < 5; ++i) runs.Log("ok" + std::to_string(i), {10.0 + i});
  EXPECT_THAT(runs.Log("good", {-1000}), IsEmpty());
  EXPECT_THAT(runs.Log("elsewhere", {1000}, "loss", "2"), IsEmpty());
  EXPECT_THAT(runs.Log("bad", {1000}), SizeIs(1));
}

TEST(RuleZScore, AgainstTooFew_IsSilent) {
  Runs runs(ARule(RuleKind::kZScore, 5, 1, 4));
  for (int i = 0; i < 3; ++i) runs.Log("ok" + std::to_string(i), {1});
  EXPECT_THAT(runs.Log("bad", {1000}), IsEmpty());
}

TEST(RuleZScore, OfLongRuns_IsComparedAtTheRightStep) {
  Runs runs(ARule(RuleKind::kZScore, 5, 1, 4));
  std::vector<double> rising;
  for (int i = 0; i < 5000; ++i) rising.push_back(i);
  for (int i = 0; i < 5; ++i) runs.Log("ok" + std::to_string(i), rising);
  EXPECT_THAT(runs.Log("same", rising), IsEmpty()) << "the others are thinned out by now";
  rising[4321] += 1;
  const auto found = runs.Log("jumps", rising);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].step, 4321);
}

TEST(RuleZScore, OfARunThatWentBack_IsComparedWithItsLaterAttempt) {
  Runs runs(ARule(RuleKind::kZScore, 5, 1, 2));
  for (const char* other : {"x", "y"}) {
    for (std::int64_t step = 0; step < 10; ++step) {
      const Metric point{"loss", 100, kStart, step, 1};
      runs.engine().Observe(RunId(other), "1", {&point, 1}, kStart);
    }
    for (std::int64_t step = 5; step < 7; ++step) {
      const Metric point{"loss", 1, kStart, step, 2};
      runs.engine().Observe(RunId(other), "1", {&point, 1}, kStart);
    }
  }
  EXPECT_THAT(runs.Log("a", {100, 100, 100, 100, 100, 1}), IsEmpty());
  EXPECT_THAT(runs.Log("a", {2}), SizeIs(1)) << "1 there, no longer 100";
}

TEST(RuleEngine, ManyRuns_ForgetTheOldest) {
  Runs runs(ARule(RuleKind::kThreshold, 10, 2));
  runs.Log("first", {11});
  for (std::size_t i = 0; i < RuleEngine::kMostRuns; ++i) runs.Log("r" + std::to_string(i), {1});
  EXPECT_THAT(runs.Log("first", {11}), IsEmpty()) << "its first 11 is forgotten";
  EXPECT_THAT(runs.Log("first", {11}), SizeIs(1));
}

TEST(CheckRule, WhatIsRight_Passes) {
  EXPECT_TRUE(CheckRule(ARule(RuleKind::kNan)).ok());
  EXPECT_TRUE(CheckRule(ARule(RuleKind::kPlateau, 0, 10)).ok());
  EXPECT_TRUE(CheckRule(ARule(RuleKind::kZScore, 4, 1, 5)).ok());
}

TEST(CheckRule, WhatIsWrong_IsNamedWithWhatIsWanted) {
  const auto refuse = [](Rule rule, std::string_view text) {
    const Status status = CheckRule(rule);
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(status.error().message, HasSubstr(std::string(text)));
  };
  Rule rule = ARule(RuleKind::kNan);
  rule.name = "No Spaces";
  refuse(rule, "name is 'No Spaces'; wanted 1 to 63 of a-z");
  rule = ARule(RuleKind::kThreshold, 1);
  rule.metric.clear();
  refuse(rule, "metric is empty; wanted the key that a threshold rule watches");
  refuse(ARule(RuleKind::kThreshold, kNan), "bound is nan; wanted a finite number");
  refuse(ARule(RuleKind::kDivergence, 1), "bound is 1; wanted more than 1 for a divergence rule");
  refuse(ARule(RuleKind::kPlateau, -0.5), "bound is -0.5; wanted at least 0");
  refuse(ARule(RuleKind::kPlateau, 0, 0), "points is 0; wanted 1 to 1000000");
  refuse(ARule(RuleKind::kZScore, 3, 1, 1), "least is 1; wanted at least 2 other runs");
  rule = ARule(RuleKind::kNan);
  rule.stop = false;
  refuse(rule, "neither webhook_id nor stop is given");
}

TEST(RuleJson, ThereAndBack_IsTheSame) {
  Rule rule = ARule(RuleKind::kZScore, 4.5, 7, 9);
  rule.less_is_worse = true;
  rule.experiment_id = "3";
  rule.webhook_id = "w";
  EXPECT_EQ(
      EncodeRule(rule),
      R"({"name":"r","kind":"z_score","metric":"loss","experiment_id":"3","less_is_worse":true,)"
      R"("bound":4.5E0,"points":7,"least":9,"webhook_id":"w","stop":true})");
  EXPECT_EQ(EncodeRule(*DecodeRule(EncodeRule(rule))), EncodeRule(rule));
  EXPECT_THAT(DecodeRule(R"({"kind":"sorcery"})").error().message, HasSubstr("kind"));
  EXPECT_THAT(DecodeRule(R"({"naem":"x"})").error().message, HasSubstr("naem"));
  Finding finding{.rule = "r", .run = RunId("a"), .value = kNan, .bound = 2};
  EXPECT_EQ(EncodeFinding(*DecodeFinding(EncodeFinding(finding))), EncodeFinding(finding));
}

}  // namespace
}  // namespace muster::tracker
