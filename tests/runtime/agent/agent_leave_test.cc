#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "runtime/agent/agent.h"
#include "tests/runtime/agent/harness.h"

/// Nodes that are lent, and how they go.

namespace muster::agent {
namespace {

TEST_F(AgentTest, Leave_TheCoordinatorIsToldUntilItsAttemptsAreGone) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(Leave{wire::ExitCause::kPreempt}), Lines{"send leaving preempt"});
  EXPECT_EQ(Do(Leave{wire::ExitCause::kWalltime}), Lines{}) << "it goes already";
  EXPECT_EQ(PassTime(1'000), Lines{"send leaving preempt"});
  EXPECT_EQ(Say(wire::Stop{AttemptEpoch(5), wire::StopReason::kPreempted, 10'000}),
            (Lines{"note 5 stopped", "signal 5 TERM"}));
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 75)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}).size(), 1U);
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}),
            (Lines{"forget 5", "quit: the node is taken away"}));
  EXPECT_EQ(Do(Tick{}, 100), Lines{}) << "once";
}

TEST_F(AgentTest, Leave_WithoutAnAnswer_TheAgentStopsThemItself) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Do(Leave{wire::ExitCause::kWalltime}), Lines{"send leaving walltime"});
  Lines seen = PassTime(2'000, false);
  std::erase(seen, "send leaving walltime");
  EXPECT_EQ(seen, (Lines{"note 5 walltime", "signal 5 TERM"}));
}

TEST_F(AgentTest, Leave_WithNothingToDo_EndsAtOnce) {
  Connect();
  EXPECT_EQ(Do(Leave{wire::ExitCause::kPreempt}),
            (Lines{"send leaving preempt", "quit: the node is taken away"}));
}

TEST_F(AgentTest, Retire_FinishesWhatRunsAndTakesNothingNew) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  EXPECT_EQ(Say(wire::Retire{"idle for 60 s"}), Lines{});
  EXPECT_EQ(
      Say(PrepareOf(6, {1})),
      Lines{
          "send exited 6 infra not started records 0: the node takes no more work: idle for 60 s"});
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}).size(), 1U);
  EXPECT_EQ(Say(wire::Forget{AttemptEpoch(5)}), (Lines{"forget 5", "quit: idle for 60 s"}));
}

TEST_F(AgentTest, Refused_AnAgentThatIsNotLentCallsOn) {
  Connect();
  Do(Disconnected{});
  EXPECT_EQ(Do(Refused{"this node's key was revoked"}), Lines{});
  EXPECT_EQ(PassTime(60'000), Lines{});
}

TEST_F(AgentTest, Retire_EndsANodeThatIsNotWelcome) {
  EXPECT_EQ(Do(FoundAtStart{}), Lines{});
  Do(Connected{});
  EXPECT_EQ(Say(wire::Retire{"its allocation has ended"}), Lines{"quit: its allocation has ended"});
}

class LonelyTest : public AgentTest {
 protected:
  LonelyTest() {
    Options options = NodeOptions();
    options.lonely_ms = 120'000;
    agent_ = Agent(std::move(options));
  }
};

TEST_F(LonelyTest, WithoutACoordinator_ItEnds) {
  EXPECT_EQ(Do(FoundAtStart{}), Lines{});
  EXPECT_EQ(PassTime(119'900), Lines{});
  EXPECT_EQ(PassTime(100), Lines{"quit, failed: the coordinator was silent for 120 s"});
}

TEST_F(LonelyTest, Refused_ItEndsWithItsRanks_ThoughNobodyForgetsThem) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  Do(Disconnected{});
  EXPECT_EQ(Do(Refused{"this node's key was revoked"}), Lines{});
  EXPECT_EQ(PassTime(10'000), (Lines{"note 5 node", "signal 5 TERM"})) << "by the lease";
  EXPECT_EQ(Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}}), Lines{"kill 5"});
  EXPECT_EQ(Do(SlotEmpty{AttemptEpoch(5), 0, {}}),
            Lines{"quit, failed: this node's key was revoked"});
}

TEST_F(LonelyTest, WithResultsThatNobodyTakes_ItEndsTenTimesLater) {
  Connect();
  MakeRunning(PrepareOf(5, {0}));
  Do(RanksExited{AttemptEpoch(5), {Rank(0, 0)}});
  Do(SlotEmpty{AttemptEpoch(5), 0, {}});
  const auto quits = [](const Lines& lines) {
    return std::ranges::count_if(lines, [](const auto& line) { return line.starts_with("quit"); });
  };
  EXPECT_EQ(quits(PassTime(1'190'000, false)), 0);
  const Lines last = PassTime(20'000, false);
  ASSERT_EQ(quits(last), 1);
  EXPECT_TRUE(std::ranges::count(last, "forget 5")) << "its folder goes with it";
}

TEST_F(LonelyTest, WithOne_ItStays) {
  Connect();
  EXPECT_EQ(PassTime(300'000), Lines{});
}

}  // namespace
}  // namespace muster::agent
