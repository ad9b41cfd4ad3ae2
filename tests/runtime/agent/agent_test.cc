#include "runtime/agent/agent.h"

#include <gtest/gtest.h>

#include "tests/runtime/agent/harness.h"

namespace muster::agent {
namespace {

TEST_F(AgentTest, Connected_BeforeTheDiskWasRead_SaysNothing) {
  EXPECT_EQ(Do(Connected{}), Lines{});
  EXPECT_EQ(Do(Tick{}, 5000), Lines{});
  EXPECT_EQ(Do(FoundAtStart{}), Lines{"send hello incarnation 1:"});
}

TEST_F(AgentTest, BeforeWelcome_CommandsAreNotHeardAndNothingElseIsSaid) {
  // Found by the simulator: an agent that was restarted answered a Prepare meant for the one before it.
  // Its Hello came after its Prepared, and the coordinator held the attempt for lost.
  FoundAtStart found;
  found.attempts.push_back({.prepare = PrepareOf(5, {0}), .phase = wire::AttemptPhase::kRunning});
  EXPECT_EQ(Do(found), (Lines{"read 5 from 0", "read 5 0.err from 0", "read 5 0.out from 0"}));
  EXPECT_EQ(Do(Connected{}), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(Say(PrepareOf(6, {1})), Lines{});
  EXPECT_EQ(Do(RecordsRead{AttemptEpoch(5), 0, 70, {}}), Lines{"read 5 from 70"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1), .keep = {AttemptEpoch(5)}}),
            Lines{"read 5 from 0"});
  EXPECT_EQ(Say(PrepareOf(6, {1})), Lines{"make 6"});
}

TEST_F(AgentTest, Hello_Unanswered_IsRepeatedEachHeartbeat) {
  EXPECT_EQ(Do(FoundAtStart{}), Lines{});
  EXPECT_EQ(Do(Connected{}), Lines{"send hello incarnation 1:"});
  EXPECT_EQ(PassTime(2000), (Lines{"send hello incarnation 1:", "send hello incarnation 1:"}));
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1)}), Lines{});
  EXPECT_EQ(PassTime(5000), Lines{});
}

TEST_F(AgentTest, Heartbeats_Unanswered_BringHelloUntilWelcome) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(PassTime(2900, false), Lines{});
  EXPECT_EQ(Do(Tick{}, 100), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(PassTime(1000, false), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1), .keep = {AttemptEpoch(5)}}),
            Lines{});
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 3"});
  EXPECT_EQ(PassTime(1900, false), Lines{});  // what was asked before Welcome is forgotten
}

TEST_F(AgentTest, Heartbeats_OfANodeWithoutAttempts_AskEachFourthTime) {
  Connect();
  for (const std::string fourth : {"1", "2"}) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 0"});
    EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat " + fourth});
    EXPECT_EQ(Say(wire::HeartbeatAck{std::stoll(fourth)}), Lines{});
  }
  EXPECT_EQ(Say(PrepareOf(5, {0})), Lines{"make 5"});
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 3"});
}

TEST_F(AgentTest, Heartbeats_OfANodeWithoutAttempts_AskAgainUntilAnswered) {
  Connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 0"});
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 1"});
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 2"});
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send hello incarnation 1:"});
}

TEST_F(AgentTest, Prepare_BetweenTwoAnswersToAnIdleNode_FindsALease) {
  Connect();
  EXPECT_EQ(PassTime(12'900), Lines{});  // the last answer is 900 ms old, the Welcome 12.9 s
  EXPECT_EQ(Say(PrepareOf(5, {0})), Lines{"make 5"});
}

TEST_F(AgentTest, NewCoordinatorBehindAnUnbrokenConnection_RenewsTheLease) {
  // Found by the simulator: the lease stayed that of a Hello of long ago, and a healthy attempt was ended.
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(PassTime(60'000), Lines{});
  const Lines hello{"send hello incarnation 1: 5 running"};
  EXPECT_EQ(PassTime(8'000, false), Lines(6, hello[0]));
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(2), .keep = {AttemptEpoch(5)}}, 2),
            Lines{});
  EXPECT_EQ(PassTime(4'000), Lines{});
}

TEST_F(AgentTest, Prepare_Twice_MakesOnceAndAnswersTwice) {
  Connect();
  EXPECT_EQ(Say(PrepareOf(5, {0, 1})), Lines{"make 5"});
  EXPECT_EQ(Say(PrepareOf(5, {0, 1})), Lines{});
  EXPECT_EQ(Do(ShimReady{AttemptEpoch(5), "h", 1}), Lines{"send prepared 5 h:1"});
  EXPECT_EQ(Do(ShimReady{AttemptEpoch(5), "h", 1}), Lines{});
  EXPECT_EQ(Say(PrepareOf(5, {0, 1})), Lines{"send prepared 5 h:1"});
}

TEST_F(AgentTest, Go_Twice_StartsOnceAndAnswersTwice) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Go{AttemptEpoch(5), "h", 1}), Lines{"send started 5"});
}

TEST_F(AgentTest, Go_BeforeTheShimIsReady_DoesNothing) {
  Connect();
  EXPECT_EQ(Say(PrepareOf(5, {0})), Lines{"make 5"});
  EXPECT_EQ(Say(wire::Go{AttemptEpoch(5), "h", 1}), Lines{});
}

TEST_F(AgentTest, Commands_OfAnOlderCoordinator_AreDropped) {
  Connect();
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(3)}, 3), Lines{});
  EXPECT_EQ(Say(PrepareOf(5, {0}), 2), Lines{});
  EXPECT_EQ(Say(PrepareOf(5, {0}), 3), Lines{"make 5"});
  EXPECT_EQ(Say(wire::Abort{AttemptEpoch(5)}, 1), Lines{});
}

TEST_F(AgentTest, Command_OfANewCoordinatorOnTheSameConnection_BringsAHello) {
  Connect();
  EXPECT_EQ(Say(wire::HeartbeatAck{0}, 2), Lines{"send hello incarnation 1:"});
  EXPECT_EQ(Say(wire::HeartbeatAck{0}, 2), Lines{});
}

TEST_F(AgentTest, Prepare_OfAForgottenAttempt_IsRefused) {
  Connect();
  MakePrepared(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Abort{AttemptEpoch(5)}), (Lines{"note 5 stopped", "kill 5"}));
  EXPECT_EQ(
      Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
      Lines{"send exited 5 stopped not started records 0: the coordinator aborted attempt 5"});
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{"forget 5"});
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{});
  EXPECT_EQ(Say(PrepareOf(5, {0})),
            Lines{"send exited 5 infra not started records 0: attempt 5 has "
                  "already ended on this node"});
}

TEST_F(AgentTest, Abort_BeforeItsPrepare_KeepsThePrepareOut) {
  Connect();
  EXPECT_EQ(Say(wire::Abort{AttemptEpoch(5)}),
            Lines{"send exited 5 infra not started records 0: attempt 5 was aborted before it was "
                  "prepared"});
  EXPECT_EQ(Say(PrepareOf(5, {0})),
            Lines{"send exited 5 infra not started records 0: attempt 5 has "
                  "already ended on this node"});
}

TEST_F(AgentTest, Prepare_OnTheSlotOfANewerAttempt_IsRefused) {
  Connect();
  MakePrepared(PrepareOf(7, {1}));
  EXPECT_EQ(
      Say(PrepareOf(5, {0, 1})),
      Lines{"send exited 5 infra not started records 0: slot 1 was given to the newer attempt "
            "7 before attempt 5 came"});
}

TEST_F(AgentTest, Prepare_OfASlotTheNodeLacks_IsRefused) {
  Connect();
  EXPECT_EQ(
      Say(PrepareOf(5, {4})),
      Lines{"send exited 5 infra not started records 0: attempt 5 wants slot 4; this node has "
            "slots 0 to 3"});
}

TEST_F(AgentTest, Prepare_OnATakenSlot_WaitsUntilTheOldAttemptIsSeenGone) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(PrepareOf(6, {0})), (Lines{"note 5 fenced", "kill 5"}));
  EXPECT_EQ(PassTime(3000), Lines{});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            (Lines{"send exited 5 fenced started records 0: attempt 6 took the place of attempt 5",
                   "make 6"}));
}

TEST_F(AgentTest, Prepare_OfANewerAttemptOfTheTrial_EndsTheOlderFirst) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  wire::Prepare next = PrepareOf(6, {1});
  next.trial = TrialId("sweep/5");
  EXPECT_EQ(Say(next), (Lines{"note 5 fenced", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            (Lines{"send exited 5 fenced started records 0: attempt 6 took the place of attempt 5",
                   "make 6"}));
  wire::Prepare late = PrepareOf(4, {2});
  late.trial = TrialId("sweep/5");
  EXPECT_EQ(Say(late), Lines{"send exited 4 infra not started records 0: the newer attempt 5 of "
                             "trial sweep/5 was here before attempt 4"});
}

TEST_F(AgentTest, Abort_OfAWaitingAttempt_EndsItWithoutAProcess) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(PrepareOf(6, {0})), (Lines{"note 5 fenced", "kill 5"}));
  EXPECT_EQ(
      Say(wire::Abort{AttemptEpoch(6)}),
      Lines{"send exited 6 stopped not started records 0: the coordinator aborted attempt 6"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 fenced started records 0: attempt 6 took the place of attempt 5"});
}

TEST_F(AgentTest, Stop_OfAnUnknownAttempt_IsAnsweredAsOver) {
  Connect();
  EXPECT_EQ(
      Say(wire::Stop{.epoch = AttemptEpoch(9)}),
      Lines{"send exited 9 infra not started records 0: the node knows no attempt 9 to stop"});
}

TEST_F(AgentTest, AskCheckpoint_SignalsRunningRanksOnly) {
  Connect();
  MakePrepared(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::AskCheckpoint{AttemptEpoch(5)}), Lines{});
  MakeRunning(PrepareOf(6, {1}));
  EXPECT_EQ(Say(wire::AskCheckpoint{AttemptEpoch(6)}), Lines{"signal 6 USR2"});
}

TEST_F(AgentTest, MakeFailed_IsAnInfrastructureExit) {
  Connect();
  EXPECT_EQ(Say(PrepareOf(5, {0})), Lines{"make 5"});
  EXPECT_EQ(Do(MakeFailed{AttemptEpoch(5), "no space left"}), (Lines{"note 5 infra", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 infra not started records 0: no space left"});
}

TEST_F(AgentTest, MakeFailed_ByTheUsersCommand_IsAUserExit) {
  Connect();
  Say(PrepareOf(5, {0}));
  EXPECT_EQ(Do(MakeFailed{AttemptEpoch(5), "no such program", wire::ExitCause::kUser}),
            (Lines{"note 5 user", "kill 5"}));
}

TEST_F(AgentTest, Lease_IsCountedFromWhenTheAnsweredHeartbeatWasSent) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(Tick{}, 1000), Lines{"send heartbeat 1"});
  now_ += std::chrono::seconds(8);
  EXPECT_EQ(Say(wire::HeartbeatAck{1}),
            Lines{});  // sent at 1 s: the lease ends at 11 s, not at 19 s
  now_ = MonotonicTime{} + std::chrono::milliseconds(10'999);
  EXPECT_EQ(Do(Activity{AttemptEpoch(5)}), Lines{});
  EXPECT_EQ(Do(Activity{AttemptEpoch(5)}, 1), (Lines{"note 5 node", "signal 5 TERM"}));
}

TEST_F(AgentTest, WelcomeOfAnEarlierHello_RenewsNoLease) {
  // Found by the simulator (seed 8807): Welcomes of Hellos of long ago came after the node had begun to
  // say Hello again, and it outlived by seconds what the coordinator knew of it.
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(PassTime(3'000, false), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(PassTime(5'000, false), Lines(5, "send hello incarnation 1: 5 running"));
  EXPECT_EQ(
      Say(wire::Welcome{.coordinator = CoordinatorEpoch(1), .keep = {AttemptEpoch(5)}, .hello = 1}),
      Lines{});  // said at 0 s: the lease ends at 10 s
  const Lines end = PassTime(2'000, false);
  EXPECT_EQ(end, (Lines{"note 5 node", "signal 5 TERM"}));
}

TEST_F(AgentTest, LeasePassed_WhileAStopHasALongGrace_KillsInTime) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  now_ += std::chrono::milliseconds(9'500);
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kPaused, 10'000}),
            (Lines{"note 5 stopped", "signal 5 TERM"}));
  EXPECT_EQ(Do(Disconnected{}), Lines{});
  EXPECT_EQ(PassTime(2'400), Lines{});
  EXPECT_EQ(Do(Tick{}, 100), Lines{"kill 5"});  // lease and the fence's grace, not 19.5 s
}

TEST_F(AgentTest, LeasePassed_EndsEveryAttemptWithAGrace) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  MakePrepared(PrepareOf(6, {1}));
  EXPECT_EQ(Do(Disconnected{}), Lines{});
  EXPECT_EQ(PassTime(9'900), Lines{});
  EXPECT_EQ(Do(Tick{}, 100), (Lines{"note 5 node", "signal 5 TERM", "note 6 node", "kill 6"}));
  EXPECT_EQ(PassTime(1'900), Lines{});
  EXPECT_EQ(Do(Tick{}, 100), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}), Lines{});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(6), 0, {}}), Lines{});
  EXPECT_EQ(Do(Connected{}), Lines{"send hello incarnation 1: 5 exited 6 exited"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(2)}, 2),
            (Lines{"send exited 5 node started records 0: the node heard nothing from the "
                   "coordinator for 10000 ms and ended attempt 5",
                   "send exited 6 node not started records 0: the node heard nothing from the "
                   "coordinator for 10000 ms and ended attempt 6"}));
}

TEST_F(AgentTest, CoordinatorRestart_WithinTheLease_LeavesRanksAlone) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(Disconnected{}), Lines{});
  EXPECT_EQ(PassTime(9'000), Lines{});
  EXPECT_EQ(Do(Connected{}), Lines{"send hello incarnation 1: 5 running"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(2), .keep = {AttemptEpoch(5)}}, 2),
            Lines{});
  EXPECT_EQ(PassTime(30'000), Lines{});
}

TEST_F(AgentTest, Prepare_WithoutALease_IsNotTouched) {
  Connect();
  now_ += std::chrono::seconds(11);
  EXPECT_EQ(Say(PrepareOf(5, {0})), Lines{});
}

TEST_F(AgentTest, Welcome_KillsWhatTheCoordinatorHasFenced) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  MakeRunning(PrepareOf(6, {1}));
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1),
                              .keep = {AttemptEpoch(6)},
                              .kill = {AttemptEpoch(5)}}),
            (Lines{"note 5 fenced", "kill 5"}));
  // Its records are of no use to anybody: no waiting for an acknowledgement.
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 120, {}}),
            Lines{"send exited 5 fenced started records 120: the coordinator has no more use for "
                  "attempt 5"});
}

TEST_F(AgentTest, AgentRestart_GoesOnWithWhatItFound) {
  FoundAtStart found;
  found.attempts.push_back({.prepare = PrepareOf(5, {0}), .phase = wire::AttemptPhase::kRunning});
  found.attempts.push_back({.prepare = PrepareOf(6, {1}),
                            .phase = wire::AttemptPhase::kPrepared,
                            .address = "h",
                            .port = 9});
  found.attempts.push_back({.prepare = PrepareOf(7, {2}), .phase = wire::AttemptPhase::kPreparing});
  found.attempts.push_back({.prepare = PrepareOf(8, {3}), .phase = wire::AttemptPhase::kExited});
  EXPECT_EQ(Do(found), (Lines{"read 5 from 0", "read 5 0.err from 0", "read 5 0.out from 0",
                              "note 7 infra", "kill 7", "read 8 from 0", "read 8 0.err from 0",
                              "read 8 0.out from 0", "kill 8"}));
  EXPECT_EQ(Do(Connected{}),
            Lines{"send hello incarnation 1: 5 running 6 prepared 7 stopping 8 stopping"});
  EXPECT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1),
                              .keep = {AttemptEpoch(5), AttemptEpoch(6)},
                              .records_end = {{"5", 300}}}),
            Lines{"read 5 from 300"});
  EXPECT_EQ(Say(PrepareOf(6, {1})), Lines{"send prepared 6 h:9"});
}

TEST_F(AgentTest, AgentRestart_RanksThatAnEarlierAgentOrderedAreTakenOver) {
  FoundAtStart found;
  found.attempts.push_back({.prepare = PrepareOf(5, {0}), .phase = wire::AttemptPhase::kPrepared});
  EXPECT_EQ(Do(found), Lines{});
  Do(Connected{});
  Say(wire::Welcome{.coordinator = CoordinatorEpoch(1), .keep = {AttemptEpoch(5)}});
  EXPECT_EQ(Do(ShimStarted{AttemptEpoch(5)}), (Lines{"read 5 from 0", "read 5 0.err from 0",
                                                     "read 5 0.out from 0", "send started 5"}));
  EXPECT_EQ(Say(wire::Go{AttemptEpoch(5), "h", 9}), Lines{"send started 5"});
}

TEST_F(AgentTest, AgentRestart_WhatRanksWroteBeforeAnAbortIsSentBeforeExited) {
  FoundAtStart found;
  found.attempts.push_back({.prepare = PrepareOf(5, {0}), .phase = wire::AttemptPhase::kPrepared});
  Do(found);
  Do(Connected{});
  Say(wire::Welcome{.coordinator = CoordinatorEpoch(1), .keep = {AttemptEpoch(5)}});
  EXPECT_EQ(Say(wire::Abort{AttemptEpoch(5)}), (Lines{"note 5 stopped", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 120, {}}),
            (Lines{"read 5 from 0", "read 5 0.err from 0", "read 5 0.out from 0"}));
  wire::TrialRecord record;
  EXPECT_EQ(Do(RecordsRead{AttemptEpoch(5), 0, 120, {record}}).size(), 1U);
  EXPECT_EQ(Say(wire::Ack{AttemptEpoch(5), 120, {}}),
            Lines{"send exited 5 stopped started records 120: the coordinator aborted attempt 5"});
}

TEST_F(AgentTest, AgentRestart_RemembersThatAStopWasAsked) {
  FoundAtStart found;
  found.attempts.push_back({.prepare = PrepareOf(5, {0}),
                            .phase = wire::AttemptPhase::kRunning,
                            .end_cause = wire::ExitCause::kStopped,
                            .end_message = "the coordinator stopped attempt 5"});
  EXPECT_EQ(Do(found), (Lines{"read 5 from 0", "read 5 0.err from 0", "read 5 0.out from 0",
                              "note 5 stopped", "signal 5 TERM"}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 143)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}), Lines{});
}

}  // namespace
}  // namespace muster::agent
