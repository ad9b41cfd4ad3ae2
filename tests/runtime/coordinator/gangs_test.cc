#include "tests/runtime/coordinator/rig.h"

/// Gangs that spread over several nodes.

namespace muster::coordinator {
namespace {

using wire::AttemptPhase;
using wire::ExitCause;

class GangsTest : public testing::Test {
 protected:
  /// Three ranks on a (2) and b (1), prepared by nobody yet.
  void SetUp() override {
    rig.Join("a", 2);
    rig.Join("b", 1);
    wire::SweepSpec spec = SmallSpec();
    spec.trial.ranks = 3;
    spec.trial.nodes = 2;
    spec.retry.infra = 1;
    rig.Do(SubmitSweep{spec, SweepId("s")});
    rig.AnswerCommands();
  }
  void RunBoth() {
    rig.From("a", wire::Prepared{kFirst, "10.0.0.1", 5000});
    rig.From("b", wire::Prepared{kFirst, "10.0.0.2", 6000});
    rig.From("a", wire::Started{kFirst});
    rig.From("b", wire::Started{kFirst});
    rig.sends.clear();
  }
  [[nodiscard]] const Attempt& attempt(std::int64_t epoch = 1) const {
    return rig.state().attempts.at(AttemptEpoch(epoch));
  }
  /// To which nodes messages of this type went.
  template <typename T>
  [[nodiscard]] std::string SentTo() const {
    std::string nodes;
    for (const Send& send : rig.sends) {
      if (std::holds_alternative<T>(send.message)) nodes += send.node.value;
    }
    return nodes;
  }

  static constexpr AttemptEpoch kFirst{1};
  Rig rig;
};

TEST_F(GangsTest, Prepare_TellsEachNodeItsRanks) {
  ASSERT_EQ(SentTo<wire::Prepare>(), "ab");
  const auto a = rig.Sent<wire::Prepare>(), b = rig.Sent<wire::Prepare>();
  EXPECT_EQ(a.first_rank, 0);
  EXPECT_EQ(a.ranks, 2);
  EXPECT_EQ(b.first_rank, 2);
  EXPECT_EQ(b.ranks, 1);
  EXPECT_EQ(b.node_rank, 1);
  EXPECT_EQ(b.world_size, 3);
}

TEST_F(GangsTest, Go_OnlyWhenAllArePrepared) {
  rig.From("b", wire::Prepared{kFirst, "10.0.0.2", 6000});
  EXPECT_EQ(rig.CountSent<wire::Go>(), 0);
  EXPECT_EQ(attempt().phase, AttemptPhase::kPreparing);
  rig.From("a", wire::Prepared{kFirst, "10.0.0.1", 5000});
  EXPECT_EQ(SentTo<wire::Go>(), "ab");
  const auto go = rig.Sent<wire::Go>();
  EXPECT_EQ(go.master_address, "10.0.0.1") << "rank 0 is on the first node";
  EXPECT_EQ(go.master_port, 5000);
}

TEST_F(GangsTest, OneNodeCannotPrepare_AllAreAbortedAndTheGangIsRetried) {
  rig.From("a", wire::Prepared{kFirst, "10.0.0.1", 5000});
  wire::Exited refused;
  refused.epoch = kFirst;
  refused.started = false;
  refused.cause = ExitCause::kInfra;
  refused.message = "no space left on device";
  rig.From("b", refused);
  EXPECT_EQ(SentTo<wire::Abort>(), "a");
  EXPECT_TRUE(attempt().live()) << "a still holds its slots";
  rig.Exit("a", kFirst, ExitCause::kStopped);
  EXPECT_EQ(attempt().cause, ExitCause::kInfra);
  EXPECT_EQ(attempt().message, "no space left on device");
  rig.Pass(2'000, {"a", "b"});
  EXPECT_EQ(attempt(2).living_members(), 2);
}

TEST_F(GangsTest, OneRankFails_TheOthersAreKilledAtOnceAndItsMessageIsKept) {
  RunBoth();
  rig.Exit("b", kFirst, ExitCause::kUser, 0, "rank 2 failed first: exit 3");
  EXPECT_EQ(SentTo<wire::Stop>(), "a");
  const auto stop = rig.Sent<wire::Stop>();
  EXPECT_EQ(stop.reason, wire::StopReason::kGangLost);
  EXPECT_EQ(stop.grace_ms, 0);
  EXPECT_TRUE(rig.state().nodes.at(NodeId("b")).holders.empty()) << "b is proved empty";
  EXPECT_EQ(rig.sweep("s").slots_held, 2);
  rig.Exit("a", kFirst, ExitCause::kStopped);
  EXPECT_EQ(attempt().cause, ExitCause::kUser);
  EXPECT_EQ(rig.trial("s/0").message, "rank 2 failed first: exit 3");
  EXPECT_EQ(rig.sweep("s").slots_held, 0);
}

TEST_F(GangsTest, RanksFailBecauseOfAPeer_WhatTookThePeerIsTheCause) {
  RunBoth();
  rig.Exit("a", kFirst, ExitCause::kUser, 0, "rank 0 failed first: exit 1");
  rig.Exit("b", kFirst, ExitCause::kOom, 0, "rank 2 ended first, killed for memory");
  EXPECT_EQ(attempt().cause, ExitCause::kOom);
  EXPECT_EQ(attempt().message, "rank 2 ended first, killed for memory");
}

TEST_F(GangsTest, OnePartAsksToBeResumed_TheOthersGetTheirGrace) {
  RunBoth();
  rig.Exit("b", kFirst, ExitCause::kResume);
  EXPECT_EQ(rig.Sent<wire::Stop>().grace_ms, rig.coordinator().config().grace_ms);
  rig.Exit("a", kFirst, ExitCause::kResume);
  EXPECT_EQ(attempt().cause, ExitCause::kResume);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kRunning) << "resumed at once";
}

TEST_F(GangsTest, AllPartsEnd_TheTrialIsCompleteWithTheLast) {
  RunBoth();
  rig.Report("a", kFirst, 0, 1, 0.5);
  rig.Exit("a", kFirst, ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kRunning);
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Exit("b", kFirst, ExitCause::kSuccess);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kComplete);
}

TEST_F(GangsTest, EachNodeHasItsOwnSpool) {
  RunBoth();
  rig.Report("a", kFirst, 0, 1, 0.5);
  rig.Report("b", kFirst, 0, 1, 0.5, "other");
  EXPECT_EQ(attempt().members[0].records_end, 10);
  EXPECT_EQ(attempt().members[1].records_end, 10);
  EXPECT_EQ(SentTo<wire::Ack>(), "ab");
}

TEST_F(GangsTest, NodeIsLost_TheOtherPartIsStoppedAndOnlyItsSlotsStayTaken) {
  RunBoth();
  rig.Pass(16'000, {"a"});
  EXPECT_THAT(SentTo<wire::Stop>(), testing::StartsWith("a"));
  EXPECT_TRUE(rig.state().nodes.at(NodeId("b")).holders.empty());
  EXPECT_EQ(rig.state().nodes.at(NodeId("a")).holders.size(), 2U);
  rig.Exit("a", kFirst, ExitCause::kStopped);
  EXPECT_EQ(attempt().cause, ExitCause::kNode);
  EXPECT_EQ(attempt().message, "node b was silent for 14 s");
  // What b says later of the attempt changes nothing.
  rig.From("b", wire::Hello{.node = NodeId("b"),
                            .slots = 1,
                            .incarnation = 1,
                            .attempts = {{kFirst, TrialId("s/0"), AttemptPhase::kRunning}}});
  EXPECT_EQ(rig.Sent<wire::Welcome>().kill, std::vector<AttemptEpoch>{kFirst});
}

TEST_F(GangsTest, CoordinatorRestarts_BothPartsAreKept) {
  RunBoth();
  rig.Restart();
  for (const char* node : {"a", "b"}) {
    rig.sends.clear();
    rig.From(node, wire::Hello{.node = NodeId(node),
                               .slots = node[0] == 'a' ? 2 : 1,
                               .incarnation = 1,
                               .attempts = {{kFirst, TrialId("s/0"), AttemptPhase::kRunning}}});
    EXPECT_EQ(rig.Sent<wire::Welcome>().keep, std::vector<AttemptEpoch>{kFirst});
    EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  }
}

/// The same gang of a program, which mpirun starts; `a` is older than such gangs.
class MpiGangsTest : public testing::Test {
 protected:
  void Join(const std::string& node, int slots, bool remote_start, std::int64_t incarnation = 1) {
    rig.From(node, wire::Hello{.node = NodeId(node),
                               .host = node,
                               .slots = slots,
                               .incarnation = incarnation,
                               .remote_start = remote_start});
  }
  void Submit(int ranks, int nodes) {
    wire::SweepSpec spec = SmallSpec();
    spec.trial.command.clear();
    spec.trial.program = "digits";
    spec.trial.ranks = ranks;
    spec.trial.nodes = nodes;
    rig.Do(SubmitSweep{spec, SweepId("s")});
    rig.AnswerCommands();
  }
  Rig rig;
  static constexpr AttemptEpoch kFirst{1};
};

TEST_F(MpiGangsTest, Go_ListsTheNodesForThoseWhoKnowTheSecret) {
  Join("a", 2, true);
  Join("b", 1, true);
  Submit(3, 2);
  const auto a = rig.Sent<wire::Prepare>(), b = rig.Sent<wire::Prepare>();
  EXPECT_EQ(a.launcher, wire::LauncherKind::kMpi);
  EXPECT_FALSE(a.start_secret.empty());
  EXPECT_EQ(a.start_secret, b.start_secret);
  rig.From("a", wire::Prepared{kFirst, "10.0.0.1", 5000});
  // A secret that a restart changed would be another one than the nodes have.
  rig.Restart();
  EXPECT_EQ(rig.state().attempts.at(kFirst).start_secret, a.start_secret);
  for (const char* node : {"a", "b"}) {
    rig.From(node, wire::Hello{.node = NodeId(node),
                               .host = node,
                               .slots = node[0] == 'a' ? 2 : 1,
                               .incarnation = 1,
                               .attempts = {{kFirst, TrialId("s/0"), AttemptPhase::kPrepared}},
                               .remote_start = true});
  }
  rig.From("b", wire::Prepared{kFirst, "10.0.0.2", 6000});
  const auto go = rig.Sent<wire::Go>();
  ASSERT_EQ(go.parts.size(), 2U);
  EXPECT_EQ(go.parts[0].address, "10.0.0.1");
  EXPECT_EQ(go.parts[0].port, 5000);
  EXPECT_EQ(go.parts[0].ranks, 2);
  EXPECT_EQ(go.parts[1].address, "10.0.0.2");
  EXPECT_EQ(go.parts[1].port, 6000);
  EXPECT_EQ(go.parts[1].ranks, 1);
}

TEST_F(MpiGangsTest, OnOneNode_NobodyMayStartAnything) {
  Join("a", 3, false);
  Join("b", 1, true);
  Submit(3, 2);
  EXPECT_EQ(rig.Sent<wire::Prepare>().start_secret, "");
  rig.From("a", wire::Prepared{kFirst, "10.0.0.1", 5000});
  EXPECT_TRUE(rig.Sent<wire::Go>().parts.empty());
}

TEST_F(MpiGangsTest, OlderAgents_GetNoPartUntilTheyAreNewer) {
  Join("a", 2, false);
  Join("b", 1, true);
  Join("c", 2, true);
  Submit(3, 2);
  EXPECT_EQ(rig.state().attempts.at(kFirst).NodeNames(), "c, b");
}

TEST_F(MpiGangsTest, OnlyOlderAgents_TheSweepIsRefusedWithTheReason) {
  Join("a", 2, false);
  Join("b", 1, true);
  wire::SweepSpec spec = SmallSpec();
  spec.trial.command.clear();
  spec.trial.program = "digits";
  spec.trial.ranks = 3;
  spec.trial.nodes = 2;
  const auto reply = rig.Ask(SubmitSweep{spec, SweepId("s")});
  ASSERT_FALSE(reply.ok());
  EXPECT_THAT(reply.error().message, testing::HasSubstr("start newer agents"));
  EXPECT_THAT(reply.error().message, testing::HasSubstr("trial.nodes"));
  // The node says Hello again once it is newer.
  Join("a", 2, true, 2);
  EXPECT_TRUE(rig.Ask(SubmitSweep{spec, SweepId("s")}).ok());
}

}  // namespace
}  // namespace muster::coordinator
