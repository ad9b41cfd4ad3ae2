#include "tuner/schedulers/pruners.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cmath>
#include <limits>

namespace muster::tuner {
namespace {

/// Starts trials up to `number` where they are missing, appends a report and asks for the verdict on it.
Verdict Report(Scheduler& scheduler, History& history, std::int64_t number, std::int64_t step,
               double value) {
  while (history.size() <= number) history.Start(history.size(), {});
  history.AddReport(number, step, std::array{value});
  return scheduler.Judge(number, history);
}

History Maximizing() { return History({Goal::kMaximize}); }

TEST(Asha, Rungs_AreGeometricBelowMax) {
  EXPECT_EQ(AshaPruner({1, 9, 3}).rungs(), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(AshaPruner({2, 20, 2}).rungs(), (std::vector<std::int64_t>{2, 4, 8, 16}));
  EXPECT_EQ(AshaPruner({1, std::numeric_limits<std::int64_t>::max(), 2}).rungs().size(), 63U);
}

TEST(Asha, OnlyTheBestThirdOfARungGoesOn) {
  AshaPruner asha({1, 9, 3});
  History history = Maximizing();
  EXPECT_EQ(Report(asha, history, 0, 1, 0.5), Verdict::kContinue);  // the first always does
  EXPECT_EQ(Report(asha, history, 1, 1, 0.4), Verdict::kStop);
  EXPECT_EQ(Report(asha, history, 2, 1, 0.6), Verdict::kContinue);  // best of 3
  EXPECT_EQ(Report(asha, history, 3, 1, 0.55), Verdict::kStop);     // second of 4, one goes on
  EXPECT_EQ(Report(asha, history, 4, 1, 0.7), Verdict::kContinue);
  EXPECT_EQ(Report(asha, history, 5, 1, 0.65), Verdict::kContinue);  // second of 6, two go on
  EXPECT_EQ(Report(asha, history, 0, 2, 0.1), Verdict::kContinue);   // between rungs
}

TEST(Asha, AReportThatJumpsOverRungs_IsJudgedAtEach) {
  AshaPruner asha({1, 27, 3});
  History history = Maximizing();
  EXPECT_EQ(Report(asha, history, 0, 3, 0.9), Verdict::kContinue);
  EXPECT_EQ(Report(asha, history, 1, 9, 0.8), Verdict::kStop);
}

TEST(Asha, NaNIsTheWorst_AlsoWhenMinimising) {
  AshaPruner asha({1, 9, 3});
  History history;
  EXPECT_EQ(Report(asha, history, 0, 1, 5), Verdict::kContinue);
  EXPECT_EQ(Report(asha, history, 1, 1, std::nan("")), Verdict::kStop);
  EXPECT_EQ(Report(asha, history, 2, 1, 4), Verdict::kContinue);
}

TEST(Median, StopsBelowTheMedianOfTheCompleted) {
  MedianPruner median({.startup_trials = 3});
  History history = Maximizing();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Report(median, history, i, 1, 0.1 * (i + 1)), Verdict::kContinue);
    history.Finish(i, {TrialState::kComplete, {0.5}});
  }
  EXPECT_EQ(Report(median, history, 3, 1, 0.15), Verdict::kStop);     // median is 0.2
  EXPECT_EQ(Report(median, history, 4, 1, 0.2), Verdict::kContinue);  // as good as it
  EXPECT_EQ(Report(median, history, 5, 1, 0.25), Verdict::kContinue);
}

TEST(Median, InfinityOfTheRightSign_IsTheBest) {
  MedianPruner median({.startup_trials = 1});
  History history = Maximizing();
  EXPECT_EQ(Report(median, history, 0, 1, 0.5), Verdict::kContinue);
  history.Finish(0, {TrialState::kComplete, {0.5}});
  EXPECT_EQ(Report(median, history, 1, 1, INFINITY), Verdict::kContinue);
  EXPECT_EQ(Report(median, history, 2, 1, -INFINITY), Verdict::kStop);
  EXPECT_EQ(Report(median, history, 3, 1, std::nan("")), Verdict::kStop);
}

TEST(MakeScheduler, Mistakes_AreNamed) {
  const auto error = [](const char* text) {
    const auto scheduler = MakeScheduler({.stop = boost::json::parse(text).as_object()});
    return scheduler.ok() ? "no error" : scheduler.error().message;
  };
  EXPECT_EQ(error(R"({"asha":{"max":9,"mni":1}})"),
            "at asha.mni: unknown key; wanted one of step, min, max, eta");
  EXPECT_EQ(error(R"({"asha":{}})"), "at asha.max: missing; it is the last step of a whole trial");
  EXPECT_EQ(error(R"({"asha":{"max":1}})"), "at asha.max: wanted 2 or more, got 1");
  EXPECT_EQ(error(R"({"asha":{"max":9223372036854775807}})"),
            "at asha.max: wanted an integer from -2^53 to 2^53, got 9223372036854775807");
  EXPECT_EQ(error(R"({"hyperband":{}})"), "at hyperband: unknown rule; wanted one of asha, median");
  EXPECT_EQ(error("{}"), "no error");
}

}  // namespace
}  // namespace muster::tuner
