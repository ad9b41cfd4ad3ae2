#include "runtime/coordinator/validate.h"
#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using testing::HasSubstr;
using testing::Not;
using wire::LogReaction;

class PolicyTest : public testing::Test {
 protected:
  /// Submits, on a node with one slot, and lets the first attempt run.
  AttemptEpoch Begin(const wire::SweepSpec& spec) {
    rig.Join("a", 1);
    rig.Do(SubmitSweep{spec, SweepId("s")});
    return rig.RunOne("a");
  }
  void Print(AttemptEpoch epoch, int rule, const std::string& line, const std::string& node = "a") {
    rig.Do(LogMatched{NodeId(node), epoch, "0.err", rule, line});
  }
  void Save(AttemptEpoch epoch, std::int64_t begin, std::int64_t step) {
    wire::TrialRecord record;
    record.type = wire::RecordType::kCheckpoint;
    record.step = step;
    record.path = "/c/" + std::to_string(step);
    rig.From("a", wire::Records{epoch, begin, begin + 10, {record}});
  }
  std::string Why(const std::string& trial) {
    const auto why = ExplainTrial(rig.coordinator(), TrialId(trial), {rig.now(), rig.unix_now()});
    return std::string(why->at("explanation").as_string());
  }
  std::string WhySweep() {
    const auto why = ExplainSweep(rig.coordinator(), SweepId("s"), {rig.now(), rig.unix_now()});
    return std::string(why->at("explanation").as_string());
  }
  [[nodiscard]] const Trial& trial() const { return rig.trial("s/0"); }

  Rig rig;
};

wire::SweepSpec Timed(std::int64_t seconds) {
  wire::SweepSpec spec = SmallSpec();
  spec.trial.time_seconds = seconds;
  return spec;
}

wire::SweepSpec WithRules(std::vector<wire::LogRule> rules) {
  wire::SweepSpec spec = SmallSpec();
  spec.on_log = std::move(rules);
  spec.retry.user = 3;
  return spec;
}

// --- trial.time -------------------------------------------------------------------------------------

TEST_F(PolicyTest, AttemptBeyondItsTime_IsStoppedWithGraceAndTheTrialFails) {
  const AttemptEpoch epoch = Begin(Timed(60));
  EXPECT_THAT(Why("s/0"), HasSubstr("(trial.time) attempt 1 has 60 of 60 s left"));
  rig.Pass(59'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Pass(1'200, {"a"});
  const auto stop = rig.Sent<wire::Stop>();
  EXPECT_EQ(stop.reason, wire::StopReason::kWalltime);
  EXPECT_GT(stop.grace_ms, 0);
  rig.Exit("a", epoch, wire::ExitCause::kStopped);
  EXPECT_EQ(rig.state().attempts.at(epoch).cause, wire::ExitCause::kWalltime);
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
  EXPECT_EQ(trial().message,
            "the attempt ran for its 60 s (trial.time) and left no new checkpoint to go on from");
}

TEST_F(PolicyTest, AttemptThatSavedBeforeItsTime_GoesOnInTheNextUncharged) {
  const AttemptEpoch first = Begin(Timed(60));
  Save(first, 0, 5);
  rig.Pass(61'000, {"a"});
  rig.Exit("a", first, wire::ExitCause::kStopped, 10);
  EXPECT_EQ(trial().phase, TrialPhase::kRunning) << "at once";
  rig.sends.erase(rig.sends.begin(), rig.sends.end() - 1);  // all but the Prepare
  const AttemptEpoch second = rig.RunOne("a");
  rig.Pass(30'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0) << "each attempt has its own time";
  Save(second, 0, 5);  // no farther than the one before
  rig.Pass(31'000, {"a"});
  rig.Exit("a", second, wire::ExitCause::kStopped, 10);
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
}

TEST_F(PolicyTest, CoordinatorRestart_GrantsNoSecondHelpingOfTime) {
  const AttemptEpoch epoch = Begin(Timed(60));
  rig.Pass(50'000, {"a"});
  rig.sends.clear();
  rig.Restart();
  rig.Join("a", 1, 1, {{epoch, TrialId("s/0"), wire::AttemptPhase::kRunning}});
  rig.Pass(9'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Pass(1'400, {"a"});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kWalltime);
}

TEST_F(PolicyTest, AttemptThatSucceedsAsItsTimeEnds_Completes) {
  const AttemptEpoch epoch = Begin(Timed(60));
  rig.Report("a", epoch, 0, 1, 0.9);
  rig.Pass(61'000, {"a"});
  ASSERT_GE(rig.CountSent<wire::Stop>(), 1);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(trial().phase, TrialPhase::kComplete);
}

// --- on_log -----------------------------------------------------------------------------------------

TEST_F(PolicyTest, FailRule_EndsTheTrialWithTheLineDespiteItsRetries) {
  const AttemptEpoch epoch = Begin(WithRules({{"CUDA out of memory", LogReaction::kFail}}));
  Print(epoch, 0, "RuntimeError: CUDA out of memory");
  Print(epoch, 0, "again: CUDA out of memory");
  EXPECT_EQ(rig.state().attempts.at(epoch).fired.size(), 1u) << "once an attempt";
  EXPECT_EQ(trial().phase, TrialPhase::kRunning) << "it may know what to do about it";
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
  EXPECT_EQ(trial().message, "RuntimeError: CUDA out of memory (on_log[0])");
  EXPECT_THAT(Why("s/0"), HasSubstr("on_log[0] ('CUDA out of memory', fail) matched in 0.err of "
                                    "attempt 1: RuntimeError: CUDA out of memory"));
  EXPECT_THAT(WhySweep(), HasSubstr("fail) matched what 1 of its attempts printed."));
  EXPECT_THAT(WhySweep(), Not(HasSubstr("retried at most"))) << "it has ended";
}

TEST_F(PolicyTest, AttemptThatSucceedsAfterAMatch_Completes) {
  const AttemptEpoch epoch = Begin(WithRules({{"out of memory", LogReaction::kFail}}));
  Print(epoch, 0, "out of memory, trying a smaller batch");
  rig.Report("a", epoch, 0, 1, 0.9);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(trial().phase, TrialPhase::kComplete);
}

TEST_F(PolicyTest, RetryRule_LeavesAttemptsUncountedButNotForEver) {
  wire::SweepSpec spec = WithRules({{"busy", LogReaction::kRetry}});
  spec.retry.user = 0;
  AttemptEpoch epoch = Begin(spec);
  for (int attempt = 0; attempt < 10; ++attempt) {
    Print(epoch, 0, "port is busy");
    rig.Exit("a", epoch, wire::ExitCause::kUser);
    EXPECT_TRUE(trial().charges.empty());
    EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "it waits a while";
    rig.Pass(31'000, {"a"});
    epoch = rig.RunOne("a");
  }
  EXPECT_THAT(Why("s/0"), HasSubstr("on_log left 10 of its attempts uncounted"));
  Print(epoch, 0, "port is busy");
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
}

TEST_F(PolicyTest, ExcludeRule_MovesTheSweepToAnotherNode) {
  const AttemptEpoch first = Begin(WithRules({{"ECC error", LogReaction::kExcludeNode}}));
  rig.Join("b", 1);
  Print(first, 0, "NVRM: ECC error");
  rig.Exit("a", first, wire::ExitCause::kUser);
  EXPECT_TRUE(trial().charges.empty());
  rig.Pass(1'200, {"a", "b"});
  const AttemptEpoch second = rig.RunOne("b");
  EXPECT_EQ(rig.state().attempts.at(second).NodeNames(), "b");
  // Another sweep still uses the node.
  rig.Do(SubmitSweep{SmallSpec(), SweepId("t")});
  EXPECT_EQ(rig.state().attempts.at(rig.RunOne("a")).NodeNames(), "a");
  // When the other node goes, the trial waits, and says for what.
  rig.Do(ChangeNode{NodeId("b"), NodeVerb::kDrain, ""});
  rig.Exit("b", second, wire::ExitCause::kStopped);
  EXPECT_THAT(Why("s/0"), HasSubstr("Node a is excluded for this sweep by on_log: NVRM: ECC error; "
                                    "`muster node uncordon a` undoes that."));
  EXPECT_THAT(WhySweep(), HasSubstr("Node a is excluded for this sweep by on_log"));
  EXPECT_THAT(WhySweep(), HasSubstr("A trial is retried at most so often: user 3, infra 5."));
  rig.Exit("a", AttemptEpoch(3), wire::ExitCause::kUser);
  EXPECT_EQ(trial().phase, TrialPhase::kWaiting);
  rig.Do(ChangeNode{NodeId("a"), NodeVerb::kUncordon, ""});
  EXPECT_EQ(trial().phase, TrialPhase::kRunning);
}

TEST_F(PolicyTest, ExcludeRule_KeepsTheLastNodeThatHoldsTheTrial) {
  const AttemptEpoch epoch = Begin(WithRules({{"ECC error", LogReaction::kExcludeNode}}));
  rig.Join("b", 0);
  Print(epoch, 0, "ECC error");
  EXPECT_TRUE(rig.sweep("s").excluded_nodes.empty());
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  rig.Pass(1'200, {"a"});
  EXPECT_EQ(rig.Sent<wire::Prepare>().epoch, AttemptEpoch(2)) << "and still uncharged";
}

TEST_F(PolicyTest, LineThatComesAfterTheExit_StillFailsATrialThatWaits) {
  const AttemptEpoch epoch = Begin(WithRules({{"fatal", LogReaction::kFail}}));
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  ASSERT_EQ(trial().phase, TrialPhase::kWaiting);
  Print(epoch, 0, "fatal");
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
  EXPECT_EQ(trial().message, "fatal (on_log[0])");
  rig.Pass(3'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
}

TEST_F(PolicyTest, LineOfAnEarlierAttempt_DoesNotTouchTheNext) {
  const AttemptEpoch first = Begin(WithRules({{"fatal", LogReaction::kFail}}));
  rig.Exit("a", first, wire::ExitCause::kUser);
  rig.Pass(1'200, {"a"});
  const AttemptEpoch second = rig.RunOne("a");
  Print(first, 0, "fatal");
  EXPECT_EQ(trial().live, second);
  rig.Exit("a", second, wire::ExitCause::kUser);
  EXPECT_EQ(trial().phase, TrialPhase::kWaiting);
}

TEST_F(PolicyTest, FiredRule_SurvivesARestart) {
  const AttemptEpoch epoch = Begin(WithRules({{"fatal", LogReaction::kFail}}));
  Print(epoch, 0, "fatal");
  rig.Restart();
  rig.Join("a", 1, 1, {{epoch, TrialId("s/0"), wire::AttemptPhase::kRunning}});
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  EXPECT_EQ(trial().phase, TrialPhase::kFailed);
}

TEST_F(PolicyTest, LineOfAnyBytes_IsKeptBoundedAndReadable) {
  const AttemptEpoch epoch = Begin(WithRules({{".", LogReaction::kRetry}}));
  Print(epoch, 0, "\xff\x1b[31mK\xc3\xa4se\xed\xa0\x80 " + std::string(1000, 'x'));
  const std::string& line = rig.state().attempts.at(epoch).fired.at(0).line;
  EXPECT_THAT(line, testing::StartsWith("??[31mK\xc3\xa4se??? xxx"));
  EXPECT_THAT(line, testing::EndsWith("x..."));
  EXPECT_LT(line.size(), 310u);
  EXPECT_TRUE(wire::ParseJson(wire::SerializeJson(Dump(rig.state()))).ok());
}

TEST_F(PolicyTest, MatchesOfWhatIsNotThere_AreIgnored) {
  const AttemptEpoch epoch = Begin(WithRules({{"x", LogReaction::kFail}}));
  Print(AttemptEpoch(99), 0, "x");
  Print(epoch, 1, "x");
  Print(epoch, -1, "x");
  EXPECT_TRUE(rig.state().attempts.at(epoch).fired.empty());
}

TEST(PolicyValidation, WrongPolicies_AreRefusedWithTheirPath) {
  const auto error = [](auto change) {
    wire::SweepSpec spec = SmallSpec();
    change(spec);
    const Status status = ValidateSpec(spec);
    return status.ok() ? "ok" : status.error().message;
  };
  EXPECT_EQ(error([](auto& s) { s.retry.oom = -2; }),
            "at retry.oom: wanted unlimited, or at least 0, got -2");
  EXPECT_EQ(error([](auto& s) { s.retry.crashes = 0; }),
            "at retry.crashes: wanted unlimited, or at least 1, got 0");
  EXPECT_EQ(error([](auto& s) { s.retry.infra = wire::kUnlimited; }), "ok");
  EXPECT_EQ(error([](auto& s) { s.trial.time_seconds = -1; }),
            "at trial.time_seconds: wanted at least 0, got -1");
  EXPECT_EQ(error([](auto& s) {
              s.on_log = {{"fine", LogReaction::kFail}, {"ca(t", LogReaction::kFail}};
            }),
            "at on_log[1].match: missing ): ca(t");
  EXPECT_THAT(error([](auto& s) { s.on_log = {{"", LogReaction::kFail}}; }),
              HasSubstr("at on_log[0].match: missing"));
  EXPECT_THAT(error([](auto& s) { s.on_log = {{"x", {}}}; }),
              HasSubstr("at on_log[0].reaction: missing; wanted one of fail"));
  EXPECT_THAT(error([](auto& s) { s.on_log.assign(17, {"x", LogReaction::kFail}); }),
              HasSubstr("at on_log: wanted at most 16 rules, got 17"));
  EXPECT_THAT(error([](auto& s) { s.on_log = {{std::string(1001, 'x'), LogReaction::kFail}}; }),
              HasSubstr("at on_log[0].match: wanted at most 1000 bytes"));
}

}  // namespace
}  // namespace muster::coordinator
