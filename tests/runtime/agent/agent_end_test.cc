#include <gtest/gtest.h>

#include "runtime/agent/agent.h"
#include "tests/runtime/agent/harness.h"

namespace muster::agent {
namespace {

TEST_F(AgentTest, AllRanksExitZero_TheRestIsSweptBeforeExited) {
  Connect();
  MakeRunning(PrepareOf(5, {0, 1}, 2));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{});
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0), Rank(1, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(PassTime(5'000), Lines{});  // an escaped child lives on: the slot is not free
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 success started records 0: all 2 ranks exited 0"});
}

TEST_F(AgentTest, WhatWasUsed_IsInEveryExited) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  const Lines exited{"send exited 5 success started records 0 cpu 1250 ms: all 1 ranks exited 0"};
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}, wire::ResourceUse{.cpu_ms = 1'250}}), exited);
  EXPECT_EQ(PassTime(1'000), exited) << "until it is forgotten";
}

TEST_F(AgentTest, OneRankFails_TheGangIsKilledAtOnceAndTheFirstIsNamed) {
  Connect();
  MakeRunning(PrepareOf(5, {0, 1}, 2));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(1, 3)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 137)}}), Lines{});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 user started records 0: rank 1 failed first: exit 3"});
}

TEST_F(AgentTest, OneRankAsksToBeResumed_TheOthersGetAGrace) {
  Connect();
  wire::Prepare prepare = PrepareOf(5, {0, 1}, 2);
  prepare.grace_ms = 2'000;
  MakeRunning(prepare);
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(1, 75)}}), Lines{"signal 5 TERM"});
  EXPECT_EQ(PassTime(1'900), Lines{});
  EXPECT_EQ(Do(Tick{}, 100).back(), "kill 5");
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 resume started records 0: rank 1 asks to be resumed (exit 75)"});
}

TEST_F(AgentTest, MpirunEnds_WithoutItsRanksBeingSeen_IsAllOfThem) {
  Connect();
  MakeRunning(PrepareOf(5, {0, 1}, 2));
  EXPECT_EQ(Do(RanksExited{.epoch = AttemptEpoch(5), .ranks = {Rank(0, 0)}, .all = true}),
            Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 success started records 0: all 2 ranks exited 0"});
}

TEST_F(AgentTest, Stop_TermThenKillAfterTheGrace_IsStoppedWhateverTheCode) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kPruned, 2'000}),
            (Lines{"note 5 stopped", "signal 5 TERM"}));
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kPruned, 2'000}), Lines{});
  EXPECT_EQ(PassTime(1'900), Lines{});
  EXPECT_EQ(Do(Tick{}, 100).back(), "kill 5");
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 137)}}), Lines{});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 stopped started records 0: the coordinator stopped attempt 5"});
}

TEST_F(AgentTest, Stop_RanksObey_EndsBeforeTheGrace) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kPruned, 60'000}),
            (Lines{"note 5 stopped", "signal 5 TERM"}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 stopped started records 0: the coordinator stopped attempt 5"});
}

TEST_F(AgentTest, Stop_OfAnEndedAttempt_LeavesItsCauseAlone) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Say(wire::Stop{.epoch = AttemptEpoch(5)}), Lines{});
  const Lines exited{"send exited 5 success started records 0: all 1 ranks exited 0"};
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}), exited);
  EXPECT_EQ(Say(wire::Stop{.epoch = AttemptEpoch(5)}), exited);
}

TEST_F(AgentTest, Stop_Fenced_SaysFencedAndWaitsForNoAcknowledgement) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kFenced, 0}),
            (Lines{"note 5 fenced", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 50, {{"0.out", 10}}}),
            Lines{"send exited 5 fenced started records 50: the coordinator stopped attempt 5"});
}

TEST_F(AgentTest, Silence_IsAHang_ActivityIsNot) {
  Connect();
  wire::Prepare prepare = PrepareOf(5, {0});
  prepare.silence_ms = 5'000;
  MakeRunning(prepare);
  EXPECT_EQ(PassTime(4'000), Lines{});
  EXPECT_EQ(Do(Activity{AttemptEpoch(5)}), Lines{});
  EXPECT_EQ(PassTime(4'900), Lines{});
  EXPECT_EQ(PassTime(100), (Lines{"note 5 hang", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 hang started records 0: no output, record or CPU use of attempt 5 "
                  "for 5000 ms"});
}

TEST_F(AgentTest, ShimLost_IsInfrastructure) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(ShimLost{AttemptEpoch(5)}), (Lines{"note 5 infra", "kill 5"}));
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"send exited 5 infra started records 0: the shim of attempt 5 was lost"});
}

TEST_F(AgentTest, Exited_IsRepeatedUntilForget) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  const Lines exited{"send exited 5 success started records 0: all 1 ranks exited 0"};
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}), exited);
  EXPECT_EQ(PassTime(1'000), exited);
  EXPECT_EQ(PassTime(1'000), exited);
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{"forget 5"});
  EXPECT_EQ(PassTime(5'000), Lines{});
}

TEST_F(AgentTest, Forget_WhileProcessesMayLive_IsIgnored) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{});
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), Lines{});
}

}  // namespace
}  // namespace muster::agent
