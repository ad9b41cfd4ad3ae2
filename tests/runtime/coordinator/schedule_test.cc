#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

wire::SweepSpec Gang(int ranks, int parallel = 0, int trials = 10) {
  wire::SweepSpec spec = SmallSpec(trials);
  spec.trial.ranks = ranks;
  spec.budget.parallel = parallel;
  return spec;
}

class ScheduleTest : public testing::Test {
 protected:
  void Submit(const std::string& id, const wire::SweepSpec& spec) {
    rig.Do(SubmitSweep{spec, SweepId(id)});
    rig.AnswerCommands();
  }
  /// Ends the attempt that its oldest Prepare started, successfully.
  void FinishOne(AttemptEpoch epoch) {
    const std::string node = rig.state().attempts.at(epoch).NodeNames();
    rig.Report(node, epoch, 0, 1, 0.5);
    rig.Exit(node, epoch, wire::ExitCause::kSuccess, 10);
    rig.AnswerCommands();
  }
  [[nodiscard]] int Held(const std::string& id) const { return rig.sweep(id).slots_held; }

  Rig rig;
};

TEST_F(ScheduleTest, Gang_StaysOnOneNodeUnlessItMaySpread) {
  rig.Join("a", 1);
  rig.Join("b", 1);
  Submit("s", SmallSpec());
  rig.Join("c", 3);
  Submit("g", Gang(2));
  const auto prepares = rig.CountSent<wire::Prepare>();
  EXPECT_EQ(prepares, 2);
  for (const auto& [epoch, attempt] : rig.state().attempts) {
    if (attempt.trial != TrialId("g/0")) continue;
    EXPECT_EQ(attempt.NodeNames(), "c");
    EXPECT_EQ(attempt.members.front().place.slots, (std::vector<int>{0, 1}));
  }
}

TEST_F(ScheduleTest, EqualSweeps_ShareFairly) {
  rig.Join("a", 4);
  Submit("first", Gang(1));
  EXPECT_EQ(Held("first"), 4);
  Submit("second", Gang(1));
  const std::set<AttemptEpoch> live = rig.state().live;
  for (const AttemptEpoch epoch : live) FinishOne(epoch);
  EXPECT_EQ(Held("first"), 2);
  EXPECT_EQ(Held("second"), 2);
}

TEST_F(ScheduleTest, HigherPriority_GoesFirst) {
  rig.Join("a", 1);
  Submit("running", Gang(1));
  Submit("low", Gang(1));
  wire::SweepSpec high = Gang(1);
  high.priority = 5;
  Submit("high", high);
  FinishOne(*rig.state().live.begin());
  EXPECT_EQ(Held("high"), 1);
  EXPECT_EQ(Held("low"), 0);
}

TEST_F(ScheduleTest, LargeGang_IsNotStarvedBySmallOnes) {
  rig.Join("a", 2);
  Submit("small", Gang(1));
  Submit("large", Gang(2));
  EXPECT_EQ(Held("small"), 2);
  const std::vector<AttemptEpoch> live(rig.state().live.begin(), rig.state().live.end());
  FinishOne(live[0]);
  EXPECT_EQ(Held("small"), 1) << "the free slot is kept for the gang";
  FinishOne(live[1]);
  EXPECT_EQ(Held("large"), 2);
}

TEST_F(ScheduleTest, TorpidNode_GetsNoNewWorkUntilItIsHeardAgain) {
  rig.Join("a", 1);
  rig.Pass(3'200);
  Submit("s", SmallSpec());
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  rig.From("a", wire::Heartbeat{NodeId("a"), 1});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 1);
}

TEST_F(ScheduleTest, LostConnection_GetsNoNewWork) {
  rig.Join("a", 1);
  rig.Do(NodeLost{NodeId("a")});
  Submit("s", SmallSpec());
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  rig.Join("a", 1);
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 1);
}

TEST_F(ScheduleTest, ParallelBudget_Holds) {
  rig.Join("a", 4);
  Submit("s", Gang(1, 2));
  EXPECT_EQ(Held("s"), 2);
}

TEST_F(ScheduleTest, Gpus_AreCountedToo) {
  rig.From("a", wire::Hello{.node = NodeId("a"), .slots = 4, .gpus = 1, .incarnation = 1});
  wire::SweepSpec spec = Gang(1);
  spec.trial.resources.gpu = 1;
  Submit("s", spec);
  EXPECT_EQ(Held("s"), 1);
  Submit("t", spec);
  const auto why = ExplainTrial(rig.coordinator(), TrialId("t/0"), {rig.now(), rig.unix_now()});
  const std::string text(why->at("explanation").as_string());
  EXPECT_THAT(text, testing::HasSubstr("until these are free: 1 slots and 1 GPUs on one node"));
  EXPECT_THAT(text, testing::HasSubstr("with 3 of 4 slots, 0 of 1 GPUs free"));
}

}  // namespace
}  // namespace muster::coordinator
