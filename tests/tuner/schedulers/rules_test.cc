#include <gtest/gtest.h>

#include "tests/tuner/schedulers/schedule_rig.h"

namespace muster::tuner {
namespace {

TEST(Median, StopsBelowTheMedianOfTheCompleted) {
  auto median = SchedulerOf(StopSpec(R"({"median":{"startup_trials":3}})"));
  History history({Goal::kMaximize});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ReportTo(*median, history, i, 1, 0.1 * (i + 1)), Verdict::kContinue);
    history.Finish(i, {TrialState::kComplete, {0.5}, {}});
  }
  EXPECT_EQ(ReportTo(*median, history, 3, 1, 0.15), Verdict::kStop);     // median is 0.2
  EXPECT_EQ(ReportTo(*median, history, 4, 1, 0.2), Verdict::kContinue);  // as good as it
  EXPECT_EQ(ReportTo(*median, history, 5, 1, 0.25), Verdict::kContinue);
}

TEST(Median, InfinityOfTheRightSign_IsTheBest) {
  auto median = SchedulerOf(StopSpec(R"({"median":{"startup_trials":1}})"));
  History history({Goal::kMaximize});
  EXPECT_EQ(ReportTo(*median, history, 0, 1, 0.5), Verdict::kContinue);
  history.Finish(0, {TrialState::kComplete, {0.5}, {}});
  EXPECT_EQ(ReportTo(*median, history, 1, 1, INFINITY), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*median, history, 2, 1, -INFINITY), Verdict::kStop);
  EXPECT_EQ(ReportTo(*median, history, 3, 1, NAN), Verdict::kStop);
}

TEST(Median, ACompleteTrialThatIsRunAgain_CountsNoMore) {
  auto median = SchedulerOf(StopSpec(R"({"median":{"startup_trials":1}})"));
  History history;
  ReportTo(*median, history, 0, 1, 0.1);
  history.Finish(0, {TrialState::kComplete, {0.5}, {}});
  EXPECT_EQ(ReportTo(*median, history, 1, 1, 0.2), Verdict::kStop);
  history.Resume(0);
  EXPECT_EQ(ReportTo(*median, history, 2, 1, 0.3), Verdict::kContinue);
}

TEST(Patience, WaitsForSoManyReports_OrSteps) {
  auto reports = SchedulerOf(StopSpec(R"({"patience":{"reports":2,"min_delta":0.1}})"));
  auto steps = SchedulerOf(StopSpec(R"({"patience":{"steps":20}})"));
  History history;
  EXPECT_EQ(ReportTo(*reports, history, 0, 10, 1), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*reports, history, 0, 20, 0.95), Verdict::kContinue);  // too little
  EXPECT_EQ(steps->Judge(0, history), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*reports, history, 0, 30, 0.85), Verdict::kContinue);  // enough since 1
  EXPECT_EQ(ReportTo(*reports, history, 0, 40, NAN), Verdict::kContinue);
  EXPECT_EQ(steps->Judge(0, history), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*reports, history, 0, 50, 0.86), Verdict::kStop);
  EXPECT_EQ(steps->Judge(0, history), Verdict::kStop);
  history.Rewind(0, 30);
  EXPECT_EQ(reports->Judge(0, history), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*reports, history, 0, 35, 0.84), Verdict::kContinue);
}

TEST(Threshold, StopsOutside_InTheDirectionOfTheObjective_AndAtNaN) {
  auto rule = SchedulerOf(
      StopSpec(R"({"threshold":{"lower":0.2,"upper":5,"warmup_steps":2}})", 0, {Goal::kMaximize}));
  History history({Goal::kMaximize});
  EXPECT_EQ(ReportTo(*rule, history, 0, 2, 0.1), Verdict::kContinue);  // still warming up
  EXPECT_EQ(ReportTo(*rule, history, 0, 3, 0.2), Verdict::kContinue);
  EXPECT_EQ(ReportTo(*rule, history, 0, 4, 0.1), Verdict::kStop);
  EXPECT_EQ(ReportTo(*rule, history, 1, 3, 6), Verdict::kStop);
  EXPECT_EQ(ReportTo(*rule, history, 2, 1, NAN), Verdict::kStop);
  EXPECT_EQ(ReportTo(*rule, history, 3, 9, 5), Verdict::kContinue);
}

TEST(AnyOf, StopsWhenOneDoes_AndPausesWhenTheOneThatMayDoes) {
  auto rules = SchedulerOf(
      StopSpec(R"({"threshold":{"upper":5},"asha":{"max":9,"mode":"promote"},"median":{}})"));
  EXPECT_EQ(rules->rungs(), (std::vector<std::int64_t>{1, 3}));
  History history;
  EXPECT_EQ(Obey(*rules, history, 0, 1, 6), Verdict::kStop);
  EXPECT_EQ(Obey(*rules, history, 1, 1, 4), Verdict::kPause);
  EXPECT_EQ(Obey(*rules, history, 2, 1, 3), Verdict::kContinue);
  EXPECT_TRUE(rules->NeedsCheckpoint(1, history));
}

// Two objectives: the first front is 0, 1 and 2, of which the ends are taken before the middle.
TEST(AshaOfTwoObjectives, RanksByFrontThenBySpread) {
  auto asha =
      SchedulerOf(StopSpec(R"({"asha":{"max":9,"eta":2}})", 0, {Goal::kMinimize, Goal::kMaximize}));
  History history({Goal::kMinimize, Goal::kMaximize});
  const auto report = [&](std::int64_t number, double a, double b) {
    while (history.size() <= number) history.Start(history.size(), {});
    history.AddReport(number, 1, std::array{a, b});
    return asha->Judge(number, history);
  };
  EXPECT_EQ(report(0, 0, 0), Verdict::kContinue);
  EXPECT_EQ(report(1, 1, 1), Verdict::kStop);          // no worse, but 0 is first in the first
  EXPECT_EQ(report(2, 0.5, 0.5), Verdict::kStop);      // of the front 0, 1, 2 one goes on
  EXPECT_EQ(report(3, 2, 0), Verdict::kStop);          // behind all
  EXPECT_EQ(report(4, 1, 1.5), Verdict::kContinue);    // 1 falls back; 0 and 4 are the ends
  EXPECT_EQ(report(5, 0.4, 0.5), Verdict::kContinue);  // 2 falls back; 0, 4, 5 of 6
  EXPECT_EQ(report(6, NAN, 9), Verdict::kStop);        // on the front, but the worst in one of them
}

TEST(MakeScheduler, Mistakes_AreNamed) {
  const auto error = [](const char* text) {
    const auto scheduler = MakeScheduler(StopSpec(text));
    return scheduler.ok() ? "no error" : scheduler.error().message;
  };
  EXPECT_EQ(error(R"({"asha":{"max":9,"mni":1}})"),
            "at asha.mni: unknown key; wanted one of step, min, max, eta, mode");
  EXPECT_EQ(error(R"({"asha":{}})"), "at asha.max: missing; it is the last step of a whole trial");
  EXPECT_EQ(error(R"({"asha":{"max":1}})"), "at asha.max: wanted 2 or more, got 1");
  EXPECT_EQ(error(R"({"asha":{"max":9,"eta":1}})"), "at asha.eta: wanted 2 or more, got 1");
  EXPECT_EQ(error(R"({"asha":{"max":9223372036854775807}})"),
            "at asha.max: wanted an integer from -2^53 to 2^53, got 9223372036854775807");
  EXPECT_EQ(error(R"({"hyperband":{"max":9,"mode":"go"}})"),
            "at hyperband.mode: wanted stop or promote, got \"go\"");
  EXPECT_EQ(
      error(R"({"halving":{}})"),
      "at halving: unknown rule; wanted one of asha, hyperband, bohb, pbt, median, percentile, "
      "patience, threshold");
  EXPECT_EQ(error(R"({"asha":3})"), "at asha: wanted an object, got 3");
  EXPECT_EQ(error(R"({"percentile":{"percentile":100}})"),
            "at percentile.percentile: wanted above 0 and below 100, got 100");
  EXPECT_EQ(error(R"({"patience":{}})"),
            "at patience: wanted one of reports and steps: how long it waits");
  EXPECT_EQ(error(R"({"patience":{"reports":0}})"), "at patience.reports: wanted 1 or more, got 0");
  EXPECT_EQ(error(R"({"patience":{"steps":2,"min_delta":-1}})"),
            "at patience.min_delta: wanted 0 or more, got -1");
  EXPECT_EQ(error(R"({"threshold":{}})"), "at threshold: wanted lower, upper or both");
  EXPECT_EQ(error(R"({"threshold":{"lower":2,"upper":1}})"),
            "at threshold.lower: wanted at most upper, 1, got 2");
  EXPECT_EQ(error(R"({"pbt":{}})"),
            "at pbt.interval: missing; it is how many steps apart members are compared");
  EXPECT_EQ(error(R"({"pbt":{"interval":1,"quantile":0.6}})"),
            "at pbt.quantile: wanted above 0 and up to 0.5, got 6E-1");
  EXPECT_EQ(error(R"({"pbt":{"interval":1,"factor":[1.5,2]}})"),
            "at pbt.factor[0]: wanted above 0 and below 1, got 1.5E0");
  EXPECT_EQ(error(R"({"pbt":{"interval":1},"asha":{"max":9,"mode":"promote"}})"),
            "at asha: pbt already pauses or clones; only one rule may");
  EXPECT_EQ(error(R"({"pbt":{"interval":1},"asha":{"max":9}})"), "no error");
  EXPECT_EQ(error("{}"), "no error");
  SearchSpec random = StopSpec(R"({"bohb":{"max":9}})");
  random.sampler = "random";
  EXPECT_EQ(MakeScheduler(random).error().message,
            "at bohb: wanted the sampler tpe or auto with it, got random");
}

}  // namespace
}  // namespace muster::tuner
