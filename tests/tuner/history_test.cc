#include "tuner/history.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace muster::tuner {
namespace {

TEST(History, ValuesAreLosses_NaNTheWorstForBothGoals) {
  EXPECT_EQ(LossOf(2, Goal::kMinimize), 2);
  EXPECT_EQ(LossOf(2, Goal::kMaximize), -2);
  EXPECT_EQ(LossOf(NAN, Goal::kMinimize), INFINITY);
  EXPECT_EQ(LossOf(NAN, Goal::kMaximize), INFINITY);
  EXPECT_EQ(ValueOf(LossOf(0.3, Goal::kMaximize), Goal::kMaximize), 0.3);
}

TEST(History, ImportedTrialsHaveNegativeNumbersAndAreNoChanges) {
  History history;
  history.Import({{"x", 0.5}}, {TrialState::kComplete, {3}}, 0.25);
  history.Import({{"x", 0.6}}, {TrialState::kFailed}, 1);
  history.Start(0, {{"x", 0.7}});
  EXPECT_EQ(history.size(), 1);
  EXPECT_EQ(history.imported(), 2);
  EXPECT_EQ(history.At(-1).losses, std::vector<double>{3});
  EXPECT_EQ(history.At(-1).weight, 0.25);
  EXPECT_TRUE(history.At(-2).broke());
  EXPECT_EQ(history.At(0).params.at("x"), ParamValue(0.7));
  EXPECT_EQ(history.position(), 1);
  EXPECT_FALSE(history.Has(1));
  EXPECT_FALSE(history.Has(-3));
}

TEST(History, AReportOfTheSameStepReplacesAndIsAChangeOfItsOwn) {
  History history({Goal::kMaximize, Goal::kMinimize});
  history.Start(0, {});
  history.AddReport(0, 2, std::array{0.5, 7.0});
  history.AddReport(0, 1, std::array{0.4});
  history.AddReport(0, 2, std::array{0.6, 8.0});
  const auto& reports = history.At(0).reports;
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].step, 1);
  EXPECT_EQ(reports[1].loss, -0.6);
  const auto first = history.losses(history.changes()[1]);
  EXPECT_EQ((std::vector<double>{first.begin(), first.end()}), (std::vector<double>{-0.5, 7}));
  EXPECT_EQ(history.losses(history.changes()[2]).size(), 1U);
}

TEST(History, ARewindForgetsReportsBeyondItsStep) {
  History history;
  history.Start(0, {});
  for (std::int64_t step = 1; step <= 4; ++step) history.AddReport(0, step, std::array{1.0});
  history.Rewind(0, 2);
  EXPECT_EQ(history.At(0).reports.back().step, 2);
  EXPECT_EQ(history.changes().back().kind, ChangeKind::kRewind);
}

TEST(History, PausedAndRetriedTrialsRunAgain) {
  History history;
  history.Start(0, {});
  history.Pause(0);
  EXPECT_EQ(history.unfinished(), 1);
  history.Resume(0);
  history.Finish(0, {TrialState::kComplete, {1}});
  EXPECT_EQ(history.unfinished(), 0);
  history.Resume(0);
  EXPECT_EQ(history.At(0).state, TrialState::kRunning);
  EXPECT_TRUE(history.At(0).losses.empty());
  EXPECT_EQ(history.unfinished(), 1);
}

TEST(Trial, ViolationIsTheSumOfWhatIsAboveZero) {
  EXPECT_EQ((Trial{.constraints = {-1, 0.5, 2}}).violation(), 2.5);
  EXPECT_EQ((Trial{.constraints = {-1, NAN}}).violation(), INFINITY);
  EXPECT_EQ(Trial{}.violation(), 0);
}

}  // namespace
}  // namespace muster::tuner
