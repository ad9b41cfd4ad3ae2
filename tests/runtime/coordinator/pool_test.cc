#include <algorithm>

#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

/// Nodes that a batch system lends, from the queue that asks for them to the node that is forgotten.

namespace muster::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using TellState = AllocationTold::State;

wire::PoolSpec Pilots(int most = 4, int backlog = 4) {
  return {.name = "hpc", .slots = 2, .time_seconds = 3'600, .most = most, .backlog = backlog};
}
wire::PoolSpec Jobs(int most = 4) {
  wire::PoolSpec spec = Pilots(most, most);
  spec.form = wire::PoolForm::kJob;
  spec.slots = 8;
  spec.nodes = 2;
  return spec;
}

class PoolTest : public testing::Test {
 protected:
  /// Commands to batch systems that were given out and not answered.
  template <typename T>
  std::vector<std::pair<std::string, T>> Asked() {
    std::vector<std::pair<std::string, T>> asked;
    for (const Action& action : rig.actions) {
      const auto* run = std::get_if<RunCommand>(&action);
      if (run == nullptr) continue;
      if (const auto* one = std::get_if<T>(&run->command)) asked.emplace_back(run->id, *one);
    }
    return asked;
  }
  void Answer(const std::string id,
              const std::string& error = "") {  // NOLINT: it may lie in `actions`
    std::erase_if(rig.actions, [&](const Action& action) {
      const auto* run = std::get_if<RunCommand>(&action);
      return run != nullptr && run->id == id;
    });
    rig.Do(OutboxDone{id, error, {{"job", "70"}}});
  }
  /// What waits for the batch system is taken; answers how many allocations that were.
  int Take() {
    int taken = 0;
    for (const auto& [id, submit] : Asked<SubmitAllocations>()) {
      taken += static_cast<int>(submit.allocations.size());
      Answer(id);
    }
    return taken;
  }
  void Tell(const std::string& allocation, TellState state, const std::string& words = "",
            std::int64_t left_ms = 3'600'000) {
    const UnixMillis ends = state == TellState::kRunning ? rig.unix_now() + left_ms : 0;
    rig.Do(AllocationTold{AllocationId(allocation), state, ends, 0, words});
  }
  void Start(const std::string& allocation, int slots = 2, std::int64_t left_ms = 3'600'000) {
    Tell(allocation, TellState::kRunning, "RUNNING", left_ms);
    rig.Join(allocation + ".0", slots);
  }
  void Submit(const std::string& id, const wire::SweepSpec& spec) {
    rig.Do(SubmitSweep{spec, SweepId(id)});
    AnswerRuns();
  }
  /// The tracker's commands, not the batch system's.
  void AnswerRuns() {
    for (bool found = true; found;) {
      found = false;
      for (const Action& action : rig.actions) {
        const auto* run = std::get_if<RunCommand>(&action);
        if (run == nullptr || std::holds_alternative<SubmitAllocations>(run->command) ||
            std::holds_alternative<CancelAllocation>(run->command)) {
          continue;
        }
        Answer(run->id);
        found = true;
        break;
      }
    }
  }
  std::vector<std::string> Live() {
    std::vector<std::string> live;
    for (const auto& [id, one] : rig.state().allocations) live.push_back(id.value);
    return live;
  }
  [[nodiscard]] const Allocation& At(const std::string& id) {
    return rig.state().allocations.at(AllocationId(id));
  }
  /// Runs the newest attempt to its end with success.
  void Finish(const std::string& node) {
    const AttemptEpoch epoch = rig.state().newest_epoch;
    rig.From(node, wire::Prepared{epoch, "127.0.0.1", 5000});
    rig.From(node, wire::Started{epoch});
    rig.Report(node, epoch, 0, 1, 0.5);
    rig.Exit(node, epoch, wire::ExitCause::kSuccess, 10);
    AnswerRuns();
  }

  Rig rig;
};

TEST_F(PoolTest, Pilots_AreAskedForByWhatWaits_WithinBacklogAndMost) {
  rig.Do(SetPool{Pilots(3, 2)});
  rig.Pass(1'000);
  EXPECT_TRUE(Live().empty()) << "nothing waits";
  Submit("s", SmallSpec(10));
  rig.Pass(200);
  EXPECT_THAT(Live(), ElementsAre("hpc-1", "hpc-2")) << "the backlog";
  const auto asked = Asked<SubmitAllocations>();
  ASSERT_EQ(asked.size(), 1U) << "one request for both";
  EXPECT_EQ(asked[0].second.key, "hpc-1");
  EXPECT_EQ(asked[0].second.slots, 2);
  EXPECT_EQ(asked[0].second.time_seconds, 3'600);
  rig.Pass(2'000);
  EXPECT_EQ(Asked<SubmitAllocations>().size(), 1U);
  EXPECT_EQ(Take(), 2);
  EXPECT_EQ(At("hpc-2").job, "70_1");
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  EXPECT_THAT(Live(), ElementsAre("hpc-1", "hpc-2", "hpc-3")) << "one has come, most is three";
  EXPECT_EQ(rig.state().nodes.at(NodeId("hpc-1.0")).holders.size(), 1U);
  AnswerRuns();
  rig.Pass(200, {"hpc-1.0"});
  EXPECT_EQ(rig.state().nodes.at(NodeId("hpc-1.0")).holders.size(), 2U);
}

TEST_F(PoolTest, Pilots_AreNotAskedForWhatOthersHold) {
  rig.Do(SetPool{Pilots()});
  rig.Join("own", 4);
  Submit("s", SmallSpec(3));
  rig.Pass(1'000, {"own"});
  EXPECT_TRUE(Live().empty());
  Submit("t", SmallSpec(3));
  rig.Pass(200, {"own"});
  EXPECT_THAT(Live(), ElementsAre("hpc-1")) << "two of six wait, and fit one allocation";
}

TEST_F(PoolTest, GangThatNoAllocationHolds_IsNotAskedFor) {
  wire::SweepSpec spec = SmallSpec(1);
  spec.trial.ranks = 3;
  Submit("s", spec);
  rig.Do(SetPool{Pilots()});
  rig.Pass(1'000);
  EXPECT_TRUE(Live().empty());
}

TEST_F(PoolTest, GangThatNeitherNodesNorPoolsCanHold_IsRefused) {
  rig.Join("own", 1);
  wire::SweepSpec spec = SmallSpec(1);
  spec.trial.ranks = 2;
  EXPECT_FALSE(rig.Ask(SubmitSweep{spec, SweepId("s")}).ok());
  rig.Do(SetPool{Pilots()});
  EXPECT_TRUE(rig.Ask(SubmitSweep{spec, SweepId("s")}).ok());
  spec.trial.ranks = 3;
  EXPECT_FALSE(rig.Ask(SubmitSweep{spec, SweepId("t")}).ok());
}

TEST_F(PoolTest, IdleAllocation_IsRetiredThenForgotten) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  Finish("hpc-1.0");
  rig.Pass(59'000, {"hpc-1.0"});
  EXPECT_EQ(rig.CountSent<wire::Retire>(), 0);
  rig.Pass(2'000, {"hpc-1.0"});
  EXPECT_THAT(rig.Sent<wire::Retire>().why, HasSubstr("idle for 60 s"));
  EXPECT_TRUE(At("hpc-1").leaving);
  EXPECT_TRUE(Asked<CancelAllocation>().empty()) << "its agent ends by itself";
  Tell("hpc-1", TellState::kEnded, "COMPLETED");
  rig.Pass(200);
  EXPECT_TRUE(Live().empty());
  EXPECT_FALSE(rig.state().nodes.contains(NodeId("hpc-1.0")));
  rig.sends.clear();
  rig.Join("hpc-1.0", 2, 9, {{AttemptEpoch(1), TrialId("s/0"), wire::AttemptPhase::kExited}});
  EXPECT_EQ(rig.CountSent<wire::Retire>(), 1) << "a job that was started once more has no work";
  EXPECT_EQ(rig.Sent<wire::Forget>().epoch, AttemptEpoch(1)) << "and nothing to wait for";
  EXPECT_EQ(rig.CountSent<wire::Welcome>(), 0);
  EXPECT_FALSE(rig.state().nodes.contains(NodeId("hpc-1.0")));
}

TEST_F(PoolTest, AllocationThatDoesNotEnd_IsCancelled) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  Finish("hpc-1.0");
  rig.Pass(62'000, {"hpc-1.0"});
  rig.Pass(28'000, {"hpc-1.0"});
  EXPECT_TRUE(Asked<CancelAllocation>().empty());
  rig.Pass(3'000, {"hpc-1.0"});
  const auto cancel = Asked<CancelAllocation>();
  ASSERT_EQ(cancel.size(), 1U);
  EXPECT_EQ(cancel[0].second.key, "hpc-1");
}

TEST_F(PoolTest, NothingWaitsAnyMore_GivesBackWhatHasNotStarted) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  rig.Do(ChangeSweep{SweepId("s"), SweepVerb::kCancel});
  rig.Pass(200);
  EXPECT_TRUE(At("hpc-1").leaving);
  EXPECT_EQ(Asked<CancelAllocation>().size(), 1U);
}

TEST_F(PoolTest, Job_RunsOneTrialOfItsSweepAndEnds) {
  rig.Do(SetPool{Jobs()});
  wire::SweepSpec spec = SmallSpec(2);
  spec.trial.ranks = 2;
  spec.trial.resources.cpu = 3;
  spec.trial.time_seconds = 600;
  Submit("s", spec);
  rig.Pass(200);
  const auto asked = Asked<SubmitAllocations>();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].second.allocations.size(), 2U) << "an array for the sweep";
  EXPECT_EQ(asked[0].second.nodes, 1);
  EXPECT_EQ(asked[0].second.slots, 6);
  EXPECT_EQ(asked[0].second.time_seconds, 600 + 60 + 60);
  EXPECT_EQ(asked[0].second.name, "muster-s");
  Take();
  Submit("t", SmallSpec(1));
  Start("hpc-1", 6);
  rig.Pass(200, {"hpc-1.0"});
  const AttemptEpoch epoch = rig.state().newest_epoch;
  EXPECT_EQ(rig.state().attempts.at(epoch).trial, TrialId("s/0"));
  Finish("hpc-1.0");
  rig.Pass(400, {"hpc-1.0"});
  EXPECT_EQ(rig.Sent<wire::Retire>().why, "its trial has ended");
  EXPECT_EQ(rig.state().newest_epoch, epoch) << "neither s/1 nor t/0 runs in another's job";
}

TEST_F(PoolTest, JobOverSeveralNodes_HasRanksOnEach) {
  rig.Do(SetPool{Jobs()});
  wire::SweepSpec spec = SmallSpec(1);
  spec.trial.ranks = 12;
  spec.trial.nodes = 2;
  Submit("s", spec);
  rig.Pass(200);
  const auto asked = Asked<SubmitAllocations>();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].second.nodes, 2);
  EXPECT_EQ(asked[0].second.slots, 6);
  Take();
  Start("hpc-1", 6);
  rig.Pass(400, {"hpc-1.0"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "half of the gang's nodes";
  rig.Join("hpc-1.1", 6);
  rig.Pass(200, {"hpc-1.0", "hpc-1.1"});
  EXPECT_EQ(rig.state().attempts.at(rig.state().newest_epoch).members.size(), 2U);
}

TEST_F(PoolTest, GangOverSeveralNodes_TakesThoseOfOneJob_AndNoOtherTakesTheRest) {
  rig.Do(SetPool{Jobs()});
  wire::SweepSpec spec = SmallSpec(2);
  spec.trial.ranks = 12;
  spec.trial.nodes = 2;
  Submit("s", spec);
  rig.Pass(200);
  Take();
  Start("hpc-1", 6);
  Start("hpc-2", 6);
  rig.Pass(400, {"hpc-1.0", "hpc-2.0"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "half of each";
  rig.Join("hpc-2.1", 6);
  rig.Pass(200, {"hpc-1.0", "hpc-2.0", "hpc-2.1"});
  const Attempt& attempt = rig.state().attempts.at(rig.state().newest_epoch);
  for (const Member& member : attempt.members) {
    EXPECT_EQ(rig.state().AllocationOf(member.place.node), AllocationId("hpc-2"));
  }
  // Its description changed, as after a start on another machine.
  rig.From("hpc-2.0",
           wire::Hello{.node = NodeId("hpc-2.0"), .host = "other", .slots = 6, .incarnation = 1});
  EXPECT_TRUE(rig.state().nodes.at(NodeId("hpc-2.0")).leaving) << "a job runs one attempt";
}

TEST_F(PoolTest, RefusedPilots_PauseThePoolAtOnce) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Answer(Asked<SubmitAllocations>().at(0).first, "Slurm: invalid partition");
  const Pool& pool = rig.state().pools.at("hpc");
  EXPECT_TRUE(pool.paused);
  EXPECT_EQ(pool.reason, "Slurm: invalid partition");
  rig.Pass(600'000);
  EXPECT_THAT(Live(), IsEmpty()) << "the same request would be refused again";
  rig.Do(SetPool{Pilots(1)});
  rig.Pass(200);
  EXPECT_EQ(Asked<SubmitAllocations>().size(), 1U);
}

TEST_F(PoolTest, AskedOtherwise_WhatWaitsIsGivenBack) {
  wire::PoolSpec spec = Pilots(2, 2);
  rig.Do(SetPool{spec});
  Submit("s", SmallSpec(4));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  Tell("hpc-2", TellState::kWaiting, "PENDING (PartitionTimeLimit)");
  rig.Do(SetPool{spec});
  EXPECT_FALSE(At("hpc-2").leaving) << "nothing was changed";
  spec.site["profile"] = "partition: main\n";
  rig.Do(SetPool{spec});
  EXPECT_TRUE(At("hpc-2").leaving);
  EXPECT_FALSE(At("hpc-1").leaving) << "what came is as good as any";
  const auto cancels = Asked<CancelAllocation>();
  ASSERT_EQ(cancels.size(), 1U);
  EXPECT_EQ(cancels[0].second.allocation, AllocationId("hpc-2"));
}

TEST_F(PoolTest, RefusedJobs_BackOffAndPauseThePool) {
  rig.Do(SetPool{Jobs(1)});
  Submit("s", SmallSpec(1));
  int refused = 0;
  std::vector<std::int64_t> waited;
  for (std::int64_t since = 0; refused < 5 && since < 600'000; since += 200) {
    rig.Pass(200);
    for (const auto& [id, submit] : Asked<SubmitAllocations>()) {
      Answer(id, "sbatch: error: invalid partition");
      ++refused;
      waited.push_back(since);
    }
  }
  ASSERT_EQ(refused, 5);
  EXPECT_GE(waited[1] - waited[0], 5'000);
  EXPECT_GE(waited[2] - waited[1], 10'000);
  const Pool& pool = rig.state().pools.at("hpc");
  EXPECT_TRUE(pool.paused);
  EXPECT_THAT(pool.reason, HasSubstr("invalid partition"));
  const auto explained =
      ExplainTrial(rig.coordinator(), TrialId("s/0"), {rig.now(), rig.unix_now()});
  EXPECT_THAT(std::string(explained->at("explanation").as_string()),
              HasSubstr("invalid partition"));
  const auto shown = TrialView(rig.coordinator(), TrialId("s/0"), {rig.now(), rig.unix_now()});
  EXPECT_THAT(std::string(shown->at("trial").at("message").as_string()),
              HasSubstr("invalid partition"))
      << "what it waits for";
  rig.Do(ChangePool{"hpc", PoolVerb::kResume, {}});
  rig.Pass(200);
  EXPECT_EQ(Asked<SubmitAllocations>().size(), 1U);
}

TEST_F(PoolTest, AnAgentThatIsNotUnderstood_IsWhyItsAllocationFailed) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Tell("hpc-1", TellState::kRunning, "RUNNING");
  rig.Do(NodeNotUnderstood{NodeId("hpc-1.0"), "the peer speaks protocol 9.0"});
  rig.Do(NodeNotUnderstood{NodeId("hpc-7.0"), "of no allocation"});
  Tell("hpc-1", TellState::kEnded, "FAILED (exit 1)");
  const Pool& pool = rig.state().pools.at("hpc");
  EXPECT_EQ(pool.failures, 1);
  EXPECT_EQ(pool.past.back().message,
            "FAILED (exit 1); its agent was not understood: the peer speaks protocol 9.0");
  rig.Pass(4'800);
  EXPECT_THAT(Live(), IsEmpty()) << "the next one is not asked for at once";
  rig.Pass(400);
  Take();
  Tell("hpc-2", TellState::kRunning, "RUNNING");
  rig.Do(NodeNotUnderstood{NodeId("hpc-2.0"), "the peer speaks protocol 3.0"});
  rig.Join("hpc-2.0", 2);
  EXPECT_EQ(pool.failures, 0) << "it went on in an older protocol";
}

TEST_F(PoolTest, EndOfTheTime_IsDrainedAndBegunByNobody) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  rig.Pass(40'000);           // nobody looked, so the batch system's clock is believed
  Start("hpc-1", 2, 90'000);  // drained 60 s before
  rig.Pass(200, {"hpc-1.0"});
  const AttemptEpoch epoch = rig.RunOne("hpc-1.0");
  wire::SweepSpec longer = SmallSpec(1);
  longer.trial.time_seconds = 100;
  Submit("t", longer);
  rig.Pass(20'000, {"hpc-1.0"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "it would be cut off";
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Pass(12'000, {"hpc-1.0"});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPreempted);
  rig.Exit("hpc-1.0", epoch, wire::ExitCause::kResume);
  rig.Pass(1'000, {"hpc-1.0"});
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kWaiting);
  EXPECT_GE(rig.CountSent<wire::Retire>(), 1);
}

TEST_F(PoolTest, TakenNode_SavesAndComesBackWithItsNextStart) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  const AttemptEpoch epoch = rig.RunOne("hpc-1.0");
  rig.From("hpc-1.0", wire::Leaving{wire::ExitCause::kPreempt});
  rig.From("hpc-1.0", wire::Leaving{wire::ExitCause::kPreempt});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPreempted);
  rig.Exit("hpc-1.0", epoch, wire::ExitCause::kResume);
  rig.Pass(2'000, {"hpc-1.0"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  Tell("hpc-1", TellState::kWaiting, "PENDING (BeginTime)");
  rig.Pass(8'000);
  Tell("hpc-1", TellState::kRunning);
  rig.Join("hpc-1.0", 2, 2);
  rig.Pass(200, {"hpc-1.0"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 1);
}

TEST_F(PoolTest, EndedJob_DoesNotFreeWhatMayStillRun) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  rig.RunOne("hpc-1.0");
  Tell("hpc-1", TellState::kEnded, "NODE_FAIL");
  rig.Pass(10'000);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kRunning) << "its node may only be cut off";
  EXPECT_TRUE(rig.state().nodes.contains(NodeId("hpc-1.0")));
  rig.Pass(6'000);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kWaiting);
  EXPECT_FALSE(rig.state().nodes.contains(NodeId("hpc-1.0")));
  EXPECT_THAT(Live(), ElementsAre("hpc-2"));
}

TEST_F(PoolTest, BatchSystemWhoseClockIsHoursBehind_TakesNothingBackEarly) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Tell("hpc-1", TellState::kWaiting, "PENDING");
  constexpr std::int64_t kBehind = 5 * 3'600'000;
  Start("hpc-1", 2, 3'600'000 - kBehind);
  const UnixMillis ends = rig.unix_now() + 3'600'000;
  EXPECT_EQ(At("hpc-1").ends_ms, ends) << "by our clock, as it was seen to begin";
  rig.Pass(1'000, {"hpc-1.0"});
  EXPECT_FALSE(At("hpc-1").leaving);
  const UnixMillis told = ends - kBehind;
  const auto running = TellState::kRunning;
  rig.Do(AllocationTold{AllocationId("hpc-1"), running, told, 0, "RUNNING"});
  rig.Do(AllocationTold{AllocationId("hpc-1"), running, told + 600'000, 0, "RUNNING"});
  EXPECT_EQ(At("hpc-1").ends_ms, ends + 600'000) << "somebody gave it more time";
}

TEST_F(PoolTest, OlderStartOfAnAgent_KeepsItsAttemptUntilItsLeaseIsOver) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  const AttemptEpoch epoch = rig.RunOne("hpc-1.0");
  rig.Join("hpc-1.0", 2, 2);  // the batch system runs the job twice
  rig.From("hpc-1.0", wire::Exited{.epoch = epoch, .started = false});
  rig.Pass(13'000, {"hpc-1.0"});
  EXPECT_EQ(rig.state().live, std::set{epoch}) << "the newer one does not know";
  rig.Pass(2'000, {"hpc-1.0"});
  EXPECT_FALSE(rig.state().live.contains(epoch));
}

TEST_F(PoolTest, RestartedCoordinator_AsksAgainUnderTheSameKey) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  const auto before = Asked<SubmitAllocations>();
  rig.actions.clear();
  rig.Restart();
  const auto after = Asked<SubmitAllocations>();
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].first, before[0].first);
  EXPECT_EQ(after[0].second.key, "hpc-1");
  rig.Pass(1'000);
  EXPECT_THAT(Live(), ElementsAre("hpc-1"));
}

TEST_F(PoolTest, RemovedPool_GoesWithItsLastAllocation) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  rig.Do(ChangePool{"hpc", PoolVerb::kRemove, {}});
  EXPECT_EQ(Asked<CancelAllocation>().size(), 1U);
  EXPECT_TRUE(rig.state().pools.contains("hpc"));
  Tell("hpc-1", TellState::kEnded, "CANCELLED");
  EXPECT_FALSE(rig.state().pools.contains("hpc"));
  rig.Pass(1'000);
  EXPECT_TRUE(Live().empty());
}

TEST_F(PoolTest, PoolThatIsMadeAgain_AsksUnderNewNames) {
  Submit("s", SmallSpec(1));
  for (const char* name : {"hpc-1", "hpc-2"}) {
    rig.Do(SetPool{Pilots(1)});
    rig.Pass(200);
    EXPECT_THAT(Live(), ElementsAre(name))
        << "the batch system may still have the job of the last one";
    Take();
    rig.Do(ChangePool{"hpc", PoolVerb::kRemove, {}});
    Tell(name, TellState::kEnded, "CANCELLED");
    rig.actions.clear();
  }
}

TEST_F(PoolTest, WrongSpec_IsNamed) {
  wire::PoolSpec spec = Pilots();
  spec.name = "HPC";
  EXPECT_THAT(rig.Ask(SetPool{spec}).error().message, HasSubstr("at name: 'HPC'"));
  spec = Pilots();
  spec.drain_seconds = 3'000;
  EXPECT_THAT(rig.Ask(SetPool{spec}).error().message, HasSubstr("at drain_seconds: 3000"));
  EXPECT_EQ(rig.Ask(ChangePool{"none", PoolVerb::kPause, {}}).error().kind, ErrorKind::kNotFound);
}

TEST_F(PoolTest, Use_IsHeldAndBusySlots_AndEnergyIsSharedAmongTheAttempts) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(2));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(200, {"hpc-1.0"});
  AnswerRuns();
  rig.Pass(200, {"hpc-1.0"});
  const AttemptEpoch first(1), second(2);
  const auto lasts = [&](AttemptEpoch epoch, std::int64_t ms) {
    rig.SetClock(rig.state().attempts.at(epoch).created_ms + ms - rig.unix_now());
  };
  const auto end = [&](AttemptEpoch epoch) {
    rig.From("hpc-1.0", wire::Prepared{epoch, "127.0.0.1", 5000});
    rig.From("hpc-1.0", wire::Started{epoch});
    rig.Report("hpc-1.0", epoch, 0, 1, 0.5);
    rig.Exit("hpc-1.0", epoch, wire::ExitCause::kSuccess, 10);
  };
  lasts(first, 10'000);
  end(first);
  lasts(second, 30'000);
  rig.Do(AllocationTold{.allocation = AllocationId("hpc-1"),
                        .state = TellState::kEnded,
                        .words = "COMPLETED",
                        .job = "70_3",
                        .counted = true});
  const auto ready = [&] { return UncountedView(rig.coordinator()).as_array().at(0).at("ready"); };
  EXPECT_EQ(ready(), false) << "an attempt is not known to have ended";
  rig.Do(AllocationUsed{AllocationId("hpc-1"), 60, {}, 800});
  EXPECT_FALSE(rig.state().attempts.at(first).use.joules) << "what it ends up with is not known";
  end(second);
  EXPECT_EQ(ready(), true);
  rig.Restart();
  rig.Do(AllocationUsed{AllocationId("hpc-1"), 60, {}, 800});
  rig.Do(AllocationUsed{AllocationId("hpc-1"), 60, {}, 800});
  EXPECT_TRUE(UncountedView(rig.coordinator()).as_array().empty());
  EXPECT_EQ(rig.state().attempts.at(first).use.joules, 200);
  EXPECT_EQ(rig.state().attempts.at(second).use.joules, 600);
  EXPECT_EQ(rig.sweep("s").use.joules, 800);
  rig.commands.clear();
  rig.AnswerCommands();
  std::map<std::string, std::string> energy;
  for (const Command& command : rig.commands) {
    const auto* tag = std::get_if<TagRun>(&command);
    if (tag == nullptr || !tag->tags.contains("muster.energy_joules")) continue;
    energy[tag->tags.at("muster.slurm.job_id")] += tag->tags.at("muster.energy_joules") + " ";
  }
  EXPECT_THAT(energy, ElementsAre(testing::Pair("70", "200 600 ")));
  const auto pools = PoolsView(rig.coordinator(), {rig.now(), rig.unix_now()});
  const auto& pool = pools.as_array().at(0);
  EXPECT_EQ(pool.at("busy_slot_seconds"), 40.0);
  EXPECT_NEAR(pool.at("slot_seconds").as_double(), 2 * 30.0, 0.5) << "from its first Hello";
  EXPECT_EQ(pool.at("cpu_seconds"), 60.0);
  EXPECT_FALSE(pool.as_object().contains("gpu_seconds"));
  EXPECT_EQ(pool.at("allocations").at(0).at("job"), "70_3");
}

TEST_F(PoolTest, Requeue_IsNoTimeInWhichItsNodesWereHeld) {
  rig.Do(SetPool{Pilots(1)});
  Submit("s", SmallSpec(1));
  rig.Pass(200);
  Take();
  Start("hpc-1");
  rig.Pass(2'000, {"hpc-1.0"});
  Tell("hpc-1", TellState::kWaiting);
  rig.Pass(5'000);
  Tell("hpc-1", TellState::kRunning);
  rig.Pass(1'000, {"hpc-1.0"});
  EXPECT_EQ(At("hpc-1").HeldSlotMs(rig.unix_now()), 2 * 3'000);
  Tell("hpc-1", TellState::kEnded);
  EXPECT_EQ(rig.state().pools.at("hpc").slot_ms, 2 * 3'000);
  EXPECT_TRUE(UncountedView(rig.coordinator()).as_array().empty()) << "this system counts nothing";
}

}  // namespace
}  // namespace muster::coordinator
