#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using testing::HasSubstr;

class AdminTest : public testing::Test {
 protected:
  void Submit(const std::string& id, const wire::SweepSpec& spec = SmallSpec()) {
    rig.Do(SubmitSweep{spec, SweepId(id)});
    rig.AnswerCommands();
  }
  void Change(const std::string& node, NodeVerb verb, const std::string& reason = "") {
    rig.Do(ChangeNode{NodeId(node), verb, reason});
  }
  /// {state, reason} as `muster node ls` shows them.
  std::pair<std::string, std::string> Shown(const std::string& id) {
    const auto rows = NodesView(rig.coordinator(), {rig.now(), rig.unix_now()});
    for (const auto& row : rows.as_array()) {
      if (row.at("id").as_string() != id) continue;
      return {std::string(row.at("state").as_string()), std::string(row.at("reason").as_string())};
    }
    return {};
  }
  /// A sweep whose only trial fails at once on the node that it is given; answers that node.
  std::string FailOne(const std::string& sweep, wire::ExitCause cause = wire::ExitCause::kInfra) {
    Submit(sweep);
    const AttemptEpoch epoch = rig.state().newest_epoch;
    const std::string node = rig.state().attempts.at(epoch).NodeNames();
    rig.Exit(node, epoch, cause, 0, "the disk is read-only");
    if (rig.trial(sweep + "/0").phase == TrialPhase::kWaiting) {
      rig.Do(StopTrial{TrialId(sweep + "/0")});
    }
    rig.AnswerCommands();
    return node;
  }

  Rig rig;
};

TEST_F(AdminTest, NodeWithGpus_ShowsTheirMemory) {
  rig.From("a",
           wire::Hello{
               .node = NodeId("a"), .slots = 4, .gpus = 2, .gpu_memory = {80}, .incarnation = 1});
  const auto rows = NodesView(rig.coordinator(), {rig.now(), rig.unix_now()});
  EXPECT_EQ(rows.at(0).at("gpus").as_int64(), 2);
  EXPECT_EQ(rows.at(0).at("gpu_memory"), (boost::json::array{80, 0})) << "not said: not known";
}

TEST_F(AdminTest, CordonedNode_FinishesItsWorkAndGetsNoNew) {
  rig.Join("a", 2);
  Submit("s");
  const AttemptEpoch epoch = rig.RunOne("a");
  Change("a", NodeVerb::kCordon, "new disk");
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  EXPECT_EQ(Shown("a"), std::pair(std::string("cordoned"), std::string("new disk")));
  Submit("t");
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  const auto why = ExplainTrial(rig.coordinator(), TrialId("t/0"), {rig.now(), rig.unix_now()});
  EXPECT_THAT(std::string(why->at("explanation").as_string()),
              HasSubstr("Node a is taken out of work: new disk; `muster node uncordon a` undoes "
                        "that."));
  rig.Exit("a", epoch, wire::ExitCause::kSuccess);
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  Change("a", NodeVerb::kUncordon, "it is there");
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 1);
  EXPECT_EQ(Shown("a"), std::pair(std::string("up"), std::string()));
}

TEST_F(AdminTest, Cordon_SurvivesRestartsOfCoordinatorAndAgent) {
  rig.Join("a", 1);
  Change("a", NodeVerb::kCordon);
  rig.Restart();
  rig.Join("a", 2, 2);  // with another shape, even
  Submit("s");
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  EXPECT_EQ(rig.Ask(ChangeNode{NodeId("b"), NodeVerb::kCordon, ""}).error().kind,
            ErrorKind::kNotFound);
}

TEST_F(AdminTest, DrainedNode_SendsItsTrialsElsewhereUncharged) {
  rig.Join("a", 1);
  Submit("s");
  const AttemptEpoch first = rig.RunOne("a");
  rig.Join("b", 1);
  Change("a", NodeVerb::kDrain, "new kernel");
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPreempted);
  EXPECT_EQ(Shown("a").first, "draining");
  rig.Exit("a", first, wire::ExitCause::kStopped);
  EXPECT_EQ(Shown("a").first, "drained");
  EXPECT_EQ(rig.state().attempts.at(first).cause, wire::ExitCause::kPreempt);
  EXPECT_EQ(rig.state().attempts.at(first).message, "node a is being drained: new kernel");
  const AttemptEpoch second = rig.RunOne("b");
  EXPECT_EQ(rig.state().attempts.at(second).NodeNames(), "b");
  EXPECT_EQ(rig.trial("s/0").failures(Charge::kInfra), 0);
  EXPECT_EQ(rig.trial("s/0").failures(Charge::kUser), 0);
}

TEST_F(AdminTest, Drain_AbortsWhatIsBeingPreparedAndAsksAgainAfterARestart) {
  rig.Join("a", 1);
  Submit("s");
  const AttemptEpoch epoch = rig.Sent<wire::Prepare>().epoch;
  Change("a", NodeVerb::kDrain);
  EXPECT_EQ(rig.Sent<wire::Abort>().epoch, epoch);
  rig.Restart();
  rig.sends.clear();
  rig.Join("a", 1);
  EXPECT_EQ(rig.Sent<wire::Abort>().epoch, epoch);
}

TEST_F(AdminTest, TrialThatCompletesWhileItsNodeIsDrained_Completes) {
  rig.Join("a", 1);
  Submit("s");
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.9);
  Change("a", NodeVerb::kDrain);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.trial("s/0").phase, TrialPhase::kComplete);
}

TEST_F(AdminTest, LesserVerbs_LeaveAnExcludedNodeExcluded) {
  rig.Join("a", 1);
  Change("a", NodeVerb::kExclude, "bad memory");
  Change("a", NodeVerb::kCordon, "weekend");
  Change("a", NodeVerb::kDrain, "weekend");
  EXPECT_EQ(Shown("a"), std::pair(std::string("excluded"), std::string("bad memory")));
}

TEST_F(AdminTest, DifferentTrialsFailingInARow_ExcludeTheirNode) {
  rig.Join("a", 1);
  rig.Join("b", 1);
  Change("b", NodeVerb::kCordon);
  for (const char* sweep : {"s1", "s2", "s3"}) EXPECT_EQ(FailOne(sweep), "a");
  EXPECT_EQ(Shown("a").first, "up") << "the last node that takes work stays";
  Change("b", NodeVerb::kUncordon);
  while (FailOne("s" + std::to_string(rig.state().sweeps.size() + 1)) != "a") {
  }
  EXPECT_EQ(Shown("a").first, "excluded");
  EXPECT_THAT(Shown("a").second, HasSubstr("trials in a row failed on it (s1/0, s2/0, s3/0"));
  EXPECT_THAT(Shown("a").second, HasSubstr("the last: the disk is read-only"));
  const auto events = *rig.journal().Load();
  const auto* change = std::get_if<NodeChanged>(&events.back().body);
  for (const Event& event : events) {
    if (const auto* one = std::get_if<NodeChanged>(&event.body)) change = one;
  }
  ASSERT_NE(change, nullptr);
  EXPECT_TRUE(change->automatic);
  Change("a", NodeVerb::kUncordon);
  EXPECT_TRUE(rig.state().nodes.at(NodeId("a")).blamed_by.empty()) << "a new start";
}

class BlameTest : public AdminTest {
 protected:
  BlameTest() {
    rig.Join("a", 4);
    rig.Join("b", 1);
    Submit("busy");  // b is the fuller one; from now on a gets what comes
    EXPECT_EQ(rig.state().attempts.at(rig.state().newest_epoch).NodeNames(), "b");
  }
  [[nodiscard]] std::size_t Blamed() const {
    return rig.state().nodes.at(NodeId("a")).blamed_by.size();
  }
};

TEST_F(BlameTest, OneTrialAlone_ExcludesNoNode) {
  Submit("s");
  for (int attempt = 0; attempt < 5; ++attempt) {
    rig.Exit("a", rig.state().newest_epoch, wire::ExitCause::kInfra);
    rig.Pass(31'000, {"a", "b"});
  }
  EXPECT_EQ(rig.trial("s/0").attempts.size(), 6u);
  EXPECT_EQ(Blamed(), 1u);
  EXPECT_EQ(Shown("a").first, "up");
}

TEST_F(BlameTest, AttemptThatTheNodeRan_EndsTheRow) {
  EXPECT_EQ(FailOne("s1"), "a");
  EXPECT_EQ(FailOne("s2"), "a");
  EXPECT_EQ(Blamed(), 2u);
  rig.sends.clear();
  Submit("s3");
  rig.Exit("a", rig.RunOne("a"), wire::ExitCause::kUser);
  EXPECT_EQ(Blamed(), 0u);
}

TEST_F(BlameTest, OneFaultUnderSeveralTrials_CountsOnce) {
  wire::SweepSpec spec = SmallSpec(3);
  spec.budget.parallel = 3;
  Submit("s", spec);
  ASSERT_EQ(rig.sweep("s").live, 3);
  rig.Pass(200, {"b"});
  rig.Pass(15'200, {"b"});  // a was silent for too long
  EXPECT_EQ(rig.sweep("s").live, 0);
  EXPECT_EQ(Blamed(), 1u);
}

TEST_F(BlameTest, LongAfterTheStart_TheNodeIsNotBlamed) {
  rig.sends.clear();
  Submit("s");
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Pass(61'000, {"a", "b"});
  rig.Exit("a", epoch, wire::ExitCause::kInfra);
  EXPECT_EQ(Blamed(), 0u);
}

TEST_F(BlameTest, ExcludeNodeRule_BlamesTheNodeForAll) {
  for (const char* sweep : {"s1", "s2", "s3"}) {
    EXPECT_EQ(Shown("a").first, "up");
    wire::SweepSpec spec = SmallSpec();
    spec.on_log = {{"ECC", wire::LogReaction::kExcludeNode}};
    rig.sends.clear();
    Submit(sweep, spec);
    const AttemptEpoch epoch = rig.RunOne("a");
    rig.Pass(120'000, {"a", "b"});
    rig.Do(LogMatched{NodeId("a"), epoch, "0.err", 0, "ECC error"});
    rig.Exit("a", epoch, wire::ExitCause::kUser);
  }
  EXPECT_EQ(Shown("a").first, "excluded");
}

TEST(NodeEvents, GoThroughJson) {
  const NodeChanged changed{NodeId("a"), NodeChange::kExcluded, "why", true};
  const auto node = DecodeEvent("node_changed", EncodeEvent(changed));
  ASSERT_TRUE(node.ok()) << node.error().message;
  EXPECT_EQ(EncodeEvent(*node), EncodeEvent(changed));
  EXPECT_EQ(EncodeEvent(changed),
            R"({"node":"a","change":"excluded","reason":"why","automatic":true})");
  const LogRuleFired fired{AttemptEpoch(3), 1, NodeId("a"), "0.err", "line", true};
  const auto rule = DecodeEvent("log_rule_fired", EncodeEvent(fired));
  ASSERT_TRUE(rule.ok()) << rule.error().message;
  EXPECT_EQ(EncodeEvent(*rule),
            R"({"epoch":3,"rule":1,"node":"a","log":"0.err","line":"line","excludes_node":true})");
}

}  // namespace
}  // namespace muster::coordinator
