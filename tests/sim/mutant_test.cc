#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <ostream>
#include <string>

#include "runtime/sim/simulation.h"

// Deliberate bugs in the real coordinator, the real agent and the world around them. A checker must see each
// within 1,000 seeds, and say what it is.

namespace muster::sim {
namespace {

using CoordinatorBug = coordinator::Mutation;
using AgentBug = agent::Mutation;

struct Mutant {
  const char* name;
  const char* seen_as;  ///< a regular expression of the violation
  Plan plan;
};
void PrintTo(const Mutant& mutant, std::ostream* out) { *out << mutant.name; }

Mutant Lie(const char* name, Sabotage sabotage, const char* seen_as,
           std::function<void(Rates&)> adjust = {}) {
  Plan plan;
  plan.sabotage = sabotage;
  plan.adjust = std::move(adjust);
  return {name, seen_as, std::move(plan)};
}
Mutant Bug(const char* name, CoordinatorBug bug, const char* seen_as,
           std::function<void(Rates&)> adjust = {}) {
  Plan plan;
  plan.coordinator_bug = bug;
  plan.adjust = std::move(adjust);
  return {name, seen_as, std::move(plan)};
}
Mutant Bug(const char* name, AgentBug bug, const char* seen_as,
           std::function<void(Rates&)> adjust = {}) {
  Plan plan;
  plan.agent_bug = bug;
  plan.adjust = std::move(adjust);
  return {name, seen_as, std::move(plan)};
}

/// Where each alone is made good by the other side.
Mutant Both(const char* name, CoordinatorBug bug, AgentBug agent_bug, const char* seen_as) {
  Mutant mutant = Bug(name, bug, seen_as);
  mutant.plan.agent_bug = agent_bug;
  return mutant;
}

/// Scripts that go on while their node is given up.
void LongScripts(Rates& rates) {
  rates.scripts = 1;
  rates.max_steps = 30;
  rates.step = 2 * kSecond;
  rates.agent_crash_every = 10 * kSecond;
  rates.agent_down = 20 * kSecond;
}
void LongTrials(Rates& rates) {
  rates.step = 4 * kSecond;
  rates.max_steps = 90;
  rates.max_trials = 2;
}

/// The registry often is not there, and the coordinator dies often.
void SlowPromotions(Rates& rates) {
  rates.loss = 0.3;
  rates.coordinator_crash_every = 2 * kSecond;
  rates.coordinator_down = kSecond;
}

/// Ranks that have to be killed, on nodes that are cut off for long.
void DeafToTerm(Rates& rates) {
  LongTrials(rates);
  rates.nodes = 3;
  rates.ignores_term = 1;
  rates.delay = kMillisecond;
  rates.partition_every = 15 * kSecond;
  rates.partition_for = 20 * kSecond;
  rates.agent_pause_every = rates.agent_crash_every = rates.machine_crash_every = 0;
  rates.coordinator_crash_every = rates.coordinator_pause_every = 0;
}

/// Children that take seconds to find, on one node that is given up and comes back.
void HardToKill(Rates& rates) {
  LongTrials(rates);
  rates.nodes = 1;
  rates.escapes = 1;
  rates.delay = kMillisecond;
  rates.partition_every = 10 * kSecond;
  rates.partition_for = 15 * kSecond;
  rates.agent_crash_every = rates.machine_crash_every = 0;
}

/// Populations of trials that publish all their checkpoints, with many clones.
void ManyClones(Rates& rates) {
  rates.scripts = 0;
  rates.max_trials = 30;
  rates.max_steps = 30;
  rates.max_ranks = 1;
}

/// None is lent.
void OwnNodes(Rates& rates) {
  rates.batch.on = false;
  rates.nodes = std::max(1, rates.nodes);
}

/// All nodes are lent.
void Lent(Rates& rates) {
  rates.batch.on = true;
  rates.nodes = 0;
}
/// ... by a batch system that starts jobs anew while the older start lives.
void LentTwice(Rates& rates) {
  Lent(rates);
  LongTrials(rates);
  rates.nodes = 0;
  rates.batch.disturb_every = 5 * kSecond;
  rates.batch.machines = 6;
  rates.batch.contained = false;
}
void LentSlowly(Rates& rates) {
  LentTwice(rates);
  rates.clock_jump_every = 0;
  rates.batch.refuse = 0.5;
}

class MutantTest : public testing::TestWithParam<Mutant> {};

TEST_P(MutantTest, IsSeen) {
  Plan plan = GetParam().plan;
  for (plan.seed = 1; plan.seed <= 1000; ++plan.seed) {
    const Outcome outcome = Simulate(plan);
    if (outcome.ok()) continue;
    std::cout << GetParam().name << ": seed " << plan.seed << ": " << outcome.violation
              << std::endl;
    EXPECT_THAT(outcome.violation, testing::ContainsRegex(GetParam().seen_as));
    return;
  }
  ADD_FAILURE() << "no checker sees it in 1,000 seeds";
}

INSTANTIATE_TEST_SUITE_P(
    World, MutantTest,
    testing::Values(Lie("NoFence", Sabotage::kNoFence, "^S[56]"),
                    Lie("NoTokenFence", Sabotage::kNoTokenFence, "^S5", LongScripts),
                    Lie("StartTwice", Sabotage::kStartTwice, "^S2.* start twice"),
                    Lie("EarlyEmpty", Sabotage::kEarlyEmpty, "S3"),
                    Lie("LyingDisk", Sabotage::kLyingDisk, "^S[149]"),
                    Lie("ForgetfulStore", Sabotage::kForgetfulStore, "S6"),
                    Lie("NoSync", Sabotage::kNoSync, "^S1: the disk has lost")),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Coordinator, MutantTest,
    testing::Values(
        Bug("SameEpoch", CoordinatorBug::kSameEpoch, "^S9: coordinator epoch"),
        Bug("FreeAtStop", CoordinatorBug::kFreeAtStop, "^S11|^S5"),
        Bug("NoLeaseMargin", CoordinatorBug::kNoLeaseMargin, "^S11", DeafToTerm),
        Both("ExitedBeforeRecords", CoordinatorBug::kExitedBeforeRecords,
             AgentBug::kExitedUndrained, "^S6"),
        Bug("AckBeforeStore", CoordinatorBug::kAckBeforeStore, "^S6"),
        Bug("StopOnce", CoordinatorBug::kStopOnce, "^L3", LongTrials),
        Bug("RetryForever", CoordinatorBug::kRetryForever, "^S10.* goes on"),
        Bug("ChargeTwice", CoordinatorBug::kChargeTwice, "^S10.* fails"),
        Bug("PromoteTwice", CoordinatorBug::kPromoteTwice, "^S2.* promoted twice", SlowPromotions),
        Bug("SecretSeed", CoordinatorBug::kSecretSeed, "^S16"),
        Bug("DropNeeded", CoordinatorBug::kDropNeeded, "^S17.* goes on from"),
        Bug("DropCopies", CoordinatorBug::kDropCopies, "^S17.* which is gone", ManyClones),
        Bug("CloneNewest", CoordinatorBug::kCloneNewest, "^S17.* instead of", ManyClones),
        Bug("PrunedCompletes", CoordinatorBug::kPrunedCompletes, "^S12"),
        Bug("GoBeforeDurable", CoordinatorBug::kGoBeforeDurable, "^S4"),
        Bug("ForgetOutbox", CoordinatorBug::kForgetOutbox, "^L1"),
        Bug("GangLacksASlot", CoordinatorBug::kGangLacksASlot, "^S4")),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Pools, MutantTest,
    testing::Values(Bug("AskTooMany", CoordinatorBug::kAskTooMany, "^S18", Lent),
                    Bug("AskAtOnce", CoordinatorBug::kAskAtOnce, "^S19", LentSlowly),
                    Bug("ReuseJob", CoordinatorBug::kReuseJob, "^S20", LentTwice),
                    Bug("BelieveEnded", CoordinatorBug::kBelieveEnded, "^S11", LentTwice),
                    Bug("KeepAllocations", CoordinatorBug::kKeepAllocations, "^L1", Lent),
                    Lie("HearCopies", Sabotage::kHearCopies, "^S", LentTwice),
                    Lie("BlindSubmit", Sabotage::kBlindSubmit, "^S21", Lent)),
    testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    Agent, MutantTest,
    testing::Values(Bug("GoAfterLease", AgentBug::kGoAfterLease, "^S11.* start", OwnNodes),
                    Bug("FollowOldCoordinator", AgentBug::kFollowOldCoordinator, "^S13"),
                    Bug("NoFence", AgentBug::kNoFence, "^S11"),
                    Bug("EmptyUnseen", AgentBug::kEmptyUnseen, "^S[36]"),
                    Bug("StartAgain", AgentBug::kStartAgain, "^S[24]"),
                    Bug("NoWaiting", AgentBug::kNoWaiting, "^S3", HardToKill),
                    Bug("NoResend", AgentBug::kNoResend, "^L1"),
                    Bug("ExitedUndrained", AgentBug::kExitedUndrained, "^L1|^S6")),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace muster::sim
