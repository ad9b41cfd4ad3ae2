#include "tuner/schedulers/halving.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/tuner/schedulers/schedule_rig.h"

namespace muster::tuner {
namespace {

using Kind = Choice::Kind;

SuccessiveHalving Stop(std::int64_t min, std::int64_t max, std::int64_t eta) {
  return SuccessiveHalving({.min = min, .max = max, .eta = eta});
}

SuccessiveHalving Promote(std::int64_t max, std::int64_t eta, std::int64_t trials = 0) {
  return SuccessiveHalving({.max = max, .eta = eta, .promote = true, .trials = trials});
}

TEST(Asha, Rungs_AreGeometricBelowMax) {
  EXPECT_EQ(Stop(1, 9, 3).rungs(), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(Stop(2, 20, 2).rungs(), (std::vector<std::int64_t>{2, 4, 8, 16}));
  EXPECT_EQ(Stop(1, std::numeric_limits<std::int64_t>::max(), 2).rungs().size(), 63U);
}

TEST(AshaStop, OnlyTheBestThirdOfARungGoesOn) {
  auto asha = Stop(1, 9, 3);
  History history({Goal::kMaximize});
  EXPECT_EQ(ReportTo(asha, history, 0, 1, 0.5), Verdict::kContinue);  // the first always does
  EXPECT_EQ(ReportTo(asha, history, 1, 1, 0.4), Verdict::kStop);
  EXPECT_EQ(ReportTo(asha, history, 2, 1, 0.6), Verdict::kContinue);  // best of 3
  EXPECT_EQ(ReportTo(asha, history, 3, 1, 0.55), Verdict::kStop);     // second of 4, one goes on
  EXPECT_EQ(ReportTo(asha, history, 4, 1, 0.7), Verdict::kContinue);
  EXPECT_EQ(ReportTo(asha, history, 5, 1, 0.65), Verdict::kContinue);  // second of 6, two go on
  EXPECT_EQ(ReportTo(asha, history, 0, 2, 0.1), Verdict::kContinue);   // between rungs
}

TEST(AshaStop, AReportThatJumpsOverRungs_IsJudgedAtEach) {
  auto asha = Stop(1, 27, 3);
  History history({Goal::kMaximize});
  EXPECT_EQ(ReportTo(asha, history, 0, 3, 0.9), Verdict::kContinue);
  EXPECT_EQ(ReportTo(asha, history, 1, 9, 0.8), Verdict::kStop);  // first at 9, second at 3 and 1
  EXPECT_EQ(ReportTo(asha, history, 2, 1, 0.7), Verdict::kStop);  // third of 3 at 1
}

TEST(AshaStop, NaNIsTheWorst_AlsoWhenMinimising) {
  auto asha = Stop(1, 9, 3);
  History history;
  EXPECT_EQ(ReportTo(asha, history, 0, 1, 5), Verdict::kContinue);
  EXPECT_EQ(ReportTo(asha, history, 1, 1, NAN), Verdict::kStop);
  EXPECT_EQ(ReportTo(asha, history, 2, 1, 4), Verdict::kContinue);
}

TEST(AshaStop, AVerdictHoldsForReportsThatComeWithIt) {
  auto asha = Stop(1, 9, 3);
  History history;
  ReportTo(asha, history, 0, 1, 1);
  history.Start(1, {});
  history.AddReport(1, 1, std::array{2.0});
  history.AddReport(1, 2, std::array{0.5});
  EXPECT_EQ(asha.Judge(1, history), Verdict::kStop);
}

TEST(AshaStop, ARetriedAttempt_KeepsItsFirstLossAndIsJudgedAgain) {
  auto asha = Stop(1, 9, 3);
  History history;
  ReportTo(asha, history, 0, 1, 1);
  EXPECT_EQ(ReportTo(asha, history, 1, 1, 2), Verdict::kStop);
  history.Rewind(1, 0);
  EXPECT_EQ(asha.Judge(1, history), Verdict::kContinue);
  EXPECT_EQ(ReportTo(asha, history, 1, 1, 0.1), Verdict::kStop);  // 2 counts, second of 2
  EXPECT_EQ(ReportTo(asha, history, 2, 1, 3), Verdict::kStop);
  history.Rewind(0, 0);
  EXPECT_EQ(ReportTo(asha, history, 0, 1, 9), Verdict::kContinue);  // 1 counts, best of 3
}

TEST(AshaStop, WhatBrokeOrWasLostLeavesTheRungs) {
  auto asha = Stop(1, 9, 3);
  History history;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ReportTo(asha, history, i, 1, 1 - i), Verdict::kContinue);
    history.Finish(i, {i == 0 ? TrialState::kFailed : TrialState::kLost, {}, {}});
  }
  EXPECT_EQ(ReportTo(asha, history, 2, 1, 5), Verdict::kContinue);  // alone there
  history.Resume(1);                                                // with a loss of 0 it is back
  EXPECT_EQ(ReportTo(asha, history, 3, 1, 4), Verdict::kStop);
  EXPECT_EQ(ReportTo(asha, history, 4, 1, -1), Verdict::kContinue);
  history.Finish(4, {TrialState::kComplete, {NAN}, {}});
  EXPECT_EQ(ReportTo(asha, history, 5, 1, -0.5), Verdict::kContinue);  // best of 4 without it
}

// Algorithm 2 of the paper by hand: eta 3, rungs at 1 and 3.
TEST(AshaPromote, ATableOfDecisions) {
  auto asha = Promote(9, 3);
  History history;
  EXPECT_EQ(Obey(asha, history, 0, 1, 0.5), Verdict::kPause);  // floor(1/3) go on
  EXPECT_EQ(asha.Choose(1, history).kind, Kind::kSample);
  EXPECT_EQ(Obey(asha, history, 1, 1, 0.7), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 2, 1, 0.6), Verdict::kPause);  // second of 3
  const Choice first = asha.Choose(3, history);                // the best of 3
  EXPECT_EQ(first.kind, Kind::kResume);
  EXPECT_EQ(first.trial, 0);
  EXPECT_EQ(first.step, 1);
  history.Resume(0);
  EXPECT_EQ(asha.Choose(3, history).kind, Kind::kSample);         // 1 of 3 may, and has
  EXPECT_EQ(Obey(asha, history, 3, 1, 0.4), Verdict::kContinue);  // the best of 4 at once
  EXPECT_EQ(Obey(asha, history, 4, 1, 0.3), Verdict::kContinue);  // the best of 5 too
  EXPECT_EQ(Obey(asha, history, 5, 1, 0.9), Verdict::kPause);
  EXPECT_EQ(asha.Choose(6, history).kind, Kind::kSample);  // 2 of 6, both promoted
  EXPECT_EQ(Obey(asha, history, 0, 3, 0.2), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 3, 3, 0.35), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 4, 3, 0.25), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 6, 1, 0.45), Verdict::kPause);
  const Choice top = asha.Choose(7, history);  // the higher rung first
  EXPECT_EQ(top.kind, Kind::kResume);
  EXPECT_EQ(top.trial, 0);
  EXPECT_EQ(top.step, 3);
}

TEST(AshaPromote, ATrialThatBrokeMakesRoom) {
  auto asha = Promote(9, 3);
  History history;
  for (int i = 0; i < 3; ++i) Obey(asha, history, i, 1, i);
  history.Resume(asha.Choose(3, history).trial);
  EXPECT_EQ(Obey(asha, history, 3, 1, 5), Verdict::kPause);
  EXPECT_EQ(asha.Choose(4, history).kind, Kind::kSample);
  history.Finish(0, {TrialState::kFailed, {}, {}});
  const Choice next = asha.Choose(4, history);  // the best of the 3 that are left
  EXPECT_EQ(next.kind, Kind::kResume);
  EXPECT_EQ(next.trial, 1);
}

TEST(AshaPromote, AReportThatJumpsOverRungs_CountsAtEach) {
  auto asha = Promote(27, 3);
  History history;
  EXPECT_EQ(Obey(asha, history, 0, 9, 0.1), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 1, 1, 0.2), Verdict::kPause);
  EXPECT_EQ(Obey(asha, history, 2, 1, 0.3), Verdict::kPause);
  // 0 fills the one place of 3 at the first rung.
  EXPECT_EQ(asha.Choose(3, history).kind, Kind::kSample);
}

TEST(AshaPromote, ASpentBudgetHasAWinner_AndGivesUpTheRest) {
  auto asha = Promote(9, 3, 4);
  History history;
  EXPECT_EQ(Obey(asha, history, 0, 1, 0.1), Verdict::kPause);
  EXPECT_TRUE(asha.NeedsCheckpoint(0, history));
  EXPECT_EQ(Obey(asha, history, 1, 1, 0.2), Verdict::kStop);  // of 4 one goes on, and 0 is better
  EXPECT_EQ(Obey(asha, history, 2, 1, 0.05), Verdict::kContinue);  // the best of 3
  EXPECT_FALSE(asha.NeedsCheckpoint(0, history));                  // 2 is better for good
  EXPECT_EQ(Obey(asha, history, 3, 1, 0.3), Verdict::kStop);
  // 2 is alone at the second rung and none will follow it there.
  EXPECT_EQ(Obey(asha, history, 2, 3, 0.04), Verdict::kContinue);
  history.Finish(2, {TrialState::kComplete, {0.01}, {}});
  EXPECT_EQ(asha.Choose(kNoNewTrial, history).kind, Kind::kNothing);
}

}  // namespace
}  // namespace muster::tuner
