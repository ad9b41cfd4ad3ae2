#include "runtime/coordinator/checkpoints.h"

#include <gmock/gmock.h>

namespace muster::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kDonor = 0, kClone = 1;

/// s/0 has copies of steps 3, 6, 9 and 12 by attempt 5, and has reported up to step 10.
Sweep DonorSweep() {
  Sweep sweep;
  sweep.id = SweepId("s");
  sweep.trials.resize(2);
  Trial& donor = sweep.trials[kDonor];
  donor.id = TrialId("s/0");
  donor.sweep = sweep.id;
  donor.phase = TrialPhase::kRunning;
  donor.live = AttemptEpoch{5};
  for (const std::int64_t step : {3, 6, 9, 12}) donor.kept.push_back({step, donor.live});
  donor.reports = {{.step = 9}, {.step = 10}};
  sweep.trials[kClone].id = TrialId("s/1");
  return sweep;
}

/// The donor has ended as that.
Sweep Ended(TrialPhase phase) {
  Sweep sweep = DonorSweep();
  sweep.trials[kDonor].phase = phase;
  sweep.trials[kDonor].live = {};
  return sweep;
}

void Await(Sweep& sweep, std::int64_t step) {
  sweep.trials[kClone].from = Origin{TrialId("s/0"), step, AttemptEpoch{5}};
  sweep.unborn.insert(kClone);
}

TEST(UnneededCopies, OfARunningDonor_AllButTheNewestTwoUpToItsReport) {
  const Sweep sweep = DonorSweep();
  EXPECT_THAT(UnneededCopies(sweep, sweep.trials[kDonor], false), ElementsAre("s/0.at/3.a-5"));
}

TEST(UnneededCopies, WhatACloneStartsFromStays) {
  Sweep sweep = DonorSweep();
  Await(sweep, 3);
  EXPECT_THAT(UnneededCopies(sweep, sweep.trials[kDonor], false), IsEmpty());
  Sweep ended = Ended(TrialPhase::kPruned);
  Await(ended, 6);
  EXPECT_THAT(UnneededCopies(ended, ended.trials[kDonor], false),
              ElementsAre("s/0.at/3.a-5", "s/0.at/9.a-5", "s/0.at/12.a-5"));
}

TEST(UnneededCopies, OfADonorThatEnded_TheWholeFolderOnceItsAttemptIsGone) {
  Sweep sweep = Ended(TrialPhase::kComplete);
  EXPECT_THAT(UnneededCopies(sweep, sweep.trials[kDonor], false), ElementsAre("s/0.at"));
  sweep.trials[kDonor].live = AttemptEpoch{5};  // it may still publish one
  EXPECT_THAT(UnneededCopies(sweep, sweep.trials[kDonor], false), IsEmpty());
}

TEST(UnneededCopies, OfASweepThatIsOver_All) {
  Sweep sweep = Ended(TrialPhase::kFailed);
  Await(sweep, 6);
  EXPECT_THAT(UnneededCopies(sweep, sweep.trials[kDonor], true), ElementsAre("s/0.at"));
}

TEST(StartFolder, IsACopyWhereThereIsOne_AndNothingAtStepZero) {
  const TrialId donor("s/0");
  EXPECT_EQ(StartFolder({donor, 6, AttemptEpoch{5}}), "s/0.at/6.a-5");
  EXPECT_EQ(StartFolder({donor, 6, {}}), "s/0");
  EXPECT_EQ(StartFolder({donor, 0, {}}), "");
}

TEST(LeftBehind, NamesDroppedFoldersThatAreThereAgain_OfTrialsThatWillNotRun) {
  State state;
  Sweep sweep = Ended(TrialPhase::kPruned);
  sweep.trials[kDonor].dropped = true;
  sweep.trials[kDonor].kept.clear();
  sweep.trials[kClone].sweep = sweep.id;
  sweep.trials[kClone].phase = TrialPhase::kComplete;
  state.sweeps[sweep.id] = sweep;
  const std::vector<std::string> found{"s/0", "s/0.at", "s/1", "other/0", "s/9"};
  EXPECT_THAT(LeftBehind(state, found), ElementsAre("s/0", "s/0.at"));
  Trial& donor = state.sweeps[sweep.id].trials[kDonor];
  donor.phase = TrialPhase::kFailed;  // somebody may retry it
  EXPECT_THAT(LeftBehind(state, found), IsEmpty());
  state.sweeps[sweep.id].phase = SweepPhase::kComplete;
  EXPECT_THAT(LeftBehind(state, found), ElementsAre("s/0", "s/0.at"));
}

}  // namespace
}  // namespace muster::coordinator
