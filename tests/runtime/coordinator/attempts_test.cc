#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using ::testing::HasSubstr;

TEST(Attempts, OneTrial_RunsAndCompletes) {
  Rig rig;
  rig.Join("a", 1);
  const auto welcome = rig.Sent<wire::Welcome>();
  EXPECT_EQ(welcome.coordinator, CoordinatorEpoch(1));
  rig.Do(SubmitSweep{SmallSpec(), {}});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "the run does not exist yet";

  rig.AnswerCommands();
  const auto prepare = rig.Sent<wire::Prepare>();
  EXPECT_EQ(prepare.epoch, AttemptEpoch(1));
  EXPECT_EQ(prepare.trial, TrialId("small-1/0"));
  EXPECT_EQ(prepare.env.at("MLFLOW_RUN_ID"), prepare.run.value);
  EXPECT_EQ(prepare.env.at("MLFLOW_EXPERIMENT_ID"), "7");
  EXPECT_EQ(prepare.command[2], tuner::ParamText(rig.trial("small-1/0").params.at("lr")));
  EXPECT_EQ(rig.CountSent<wire::Go>(), 0);
  rig.From("a", wire::Prepared{prepare.epoch, "127.0.0.1", 5000});
  const auto go = rig.Sent<wire::Go>();
  EXPECT_EQ(go.master_port, 5000);
  rig.From("a", wire::Started{prepare.epoch});
  rig.Report("a", prepare.epoch, 0, 1, 0.9);
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
  rig.Exit("a", prepare.epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.Sent<wire::Forget>().epoch, prepare.epoch);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kComplete);
  EXPECT_EQ(rig.trial("small-1/0").value, 0.9);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
  EXPECT_TRUE(rig.state().nodes.at(NodeId("a")).holders.empty());
  rig.AnswerCommands();
  EXPECT_EQ(std::get<FinishRun>(rig.commands.back()).status, "FINISHED");
  EXPECT_TRUE(rig.sends.empty()) << "and nothing else";
}

TEST(Attempts, Notice_IsWrittenDownOnceAndExplainedWhileTheAttemptLives) {
  Rig rig;
  rig.Join("a", 1);
  rig.Join("b", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.From("a", wire::Notice{epoch, wire::NoticeKind::kHang, 1001, "rank 1 is stuck"});
  rig.From("a", wire::Notice{epoch, wire::NoticeKind::kHang, 1001, "rank 1 is stuck"});
  EXPECT_EQ(rig.Sent<wire::Ack>().notices_end, 1001);
  EXPECT_EQ(rig.Sent<wire::Ack>().notices_end, 1001) << "the first answer may be lost";
  rig.From("a", wire::Notice{epoch, wire::NoticeKind::kStraggler, 1002, "rank 0 is slow"});
  rig.From("b", wire::Notice{epoch, wire::NoticeKind::kStraggler, 1003, "not from its node"});
  ASSERT_EQ(rig.state().attempts.at(epoch).notices.size(), 2U);
  const auto why =
      ExplainTrial(rig.coordinator(), TrialId("small-1/0"), {rig.now(), rig.unix_now()});
  const std::string text = wire::SerializeJson(*why);
  EXPECT_THAT(text, HasSubstr("It was told of a hang: rank 1 is stuck."));
  EXPECT_THAT(text, HasSubstr("It was told of a straggler: rank 0 is slow."));
  const auto detail =
      TrialView(rig.coordinator(), TrialId("small-1/0"), {rig.now(), rig.unix_now()});
  EXPECT_THAT(wire::SerializeJson(*detail), HasSubstr("hang: rank 1 is stuck"));
  rig.Restart();
  EXPECT_EQ(rig.state().attempts.at(epoch).notices.size(), 2U);
}

TEST(Attempts, ManyNotices_AreWrittenDownUpToABound) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  for (int number = 1; number <= 200; ++number)
    rig.From("a", wire::Notice{epoch, wire::NoticeKind::kHang, number, std::string(9'000, 'x')});
  const auto& notices = rig.state().attempts.at(epoch).notices;
  EXPECT_EQ(notices.size(), 64U);
  EXPECT_EQ(notices.back().text.size(), wire::kNoticeBytesMax);
}

TEST(Attempts, Hang_AsksAndEndsAsTheSweepSays) {
  for (const std::string action : {"report", "restart", "kill"}) {
    Rig rig;
    rig.Join("a", 1);
    wire::SweepSpec spec = SmallSpec();
    spec.hang = {.after_seconds = 20, .first_seconds = 90, .action = action};
    spec.retry.user = 3;
    rig.Do(SubmitSweep{spec, {}});
    rig.AnswerCommands();
    const auto prepare = rig.Sent<wire::Prepare>();
    EXPECT_EQ(prepare.hang_ms, 20'000);
    EXPECT_EQ(prepare.silence_ms, 90'000);
    EXPECT_EQ(prepare.hang_action, action == "report"    ? wire::HangAction::kReport
                                   : action == "restart" ? wire::HangAction::kRestart
                                                         : wire::HangAction::kKill);
    rig.From("a", wire::Prepared{prepare.epoch, "127.0.0.1", 5000});
    rig.From("a", wire::Started{prepare.epoch});
    rig.Exit("a", prepare.epoch, wire::ExitCause::kHang, 0, "rank 1 is stuck");
    EXPECT_EQ(rig.trial("small-1/0").phase,
              action == "kill" ? TrialPhase::kFailed : TrialPhase::kWaiting);
  }
}

TEST(Attempts, PrepareLost_IsRepeatedWithBackoff) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  rig.Sent<wire::Prepare>();
  rig.Pass(8'000, {"a"});  // after 1, 2 and 4 s
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 3);
}

TEST(Attempts, NeverPrepared_IsAbortedAndRetriedOnInfra) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  rig.Pass(61'000, {"a"});
  EXPECT_EQ(rig.Sent<wire::Abort>().epoch, AttemptEpoch(1));
  EXPECT_EQ(rig.state().live.size(), 1u) << "slots are not free before the exit";
  rig.sends.clear();
  rig.Exit("a", AttemptEpoch(1), wire::ExitCause::kStopped);
  EXPECT_EQ(rig.trial("small-1/0").failures(Charge::kInfra), 1);
  EXPECT_THAT(rig.trial("small-1/0").message, HasSubstr("did not prepare"));
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0) << "retries wait";
  rig.Pass(1'200, {"a"});
  EXPECT_EQ(rig.Sent<wire::Prepare>().epoch, AttemptEpoch(2));
}

TEST(Attempts, WhereCheckpointsTravel_ANextAttemptHasLongerToPrepare) {
  Config config;
  config.checkpoint_store = "mark";
  config.checkpoint_url = "http://server:7073";
  Rig rig(config);
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  const auto prepare = rig.Sent<wire::Prepare>();
  EXPECT_EQ(prepare.checkpoint_store, "mark");
  EXPECT_EQ(prepare.checkpoint_url, "http://server:7073");
  rig.Pass(61'000, {"a"});
  EXPECT_EQ(rig.Sent<wire::Abort>().epoch, AttemptEpoch(1)) << "it has nothing to bring";
  rig.sends.clear();
  rig.Exit("a", AttemptEpoch(1), wire::ExitCause::kStopped);
  rig.Pass(1'200, {"a"});
  EXPECT_EQ(rig.Sent<wire::Prepare>().epoch, AttemptEpoch(2));
  rig.sends.clear();
  rig.Pass(600'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Abort>(), 0);
}

TEST(Attempts, UserFailure_FailsWithoutRetryByDefault) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Exit("a", epoch, wire::ExitCause::kUser);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
  EXPECT_EQ(rig.trial("small-1/0").message, "exit 3");
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kFailed);
  EXPECT_THAT(rig.sweep("small-1").message, HasSubstr("exit 3"));
}

TEST(Attempts, InfraFailures_UseUpTheirBudget) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec();
  spec.retry.infra = 2;
  rig.Do(SubmitSweep{spec, {}});
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const AttemptEpoch epoch = rig.RunOne("a");
    EXPECT_EQ(epoch.value, attempt);
    rig.Exit("a", epoch, wire::ExitCause::kInfra);
    rig.Pass(31'000, {"a"});
  }
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
  EXPECT_EQ(rig.trial("small-1/0").attempts.size(), 3u);
}

TEST(Attempts, HeartbeatThatWantsNoAnswer_IsHeardAllTheSame) {
  Rig rig;
  rig.Join("a", 1);
  rig.Sent<wire::Welcome>();
  for (int second = 0; second < 20; ++second) {
    rig.Pass(1'000);
    rig.From("a", wire::Heartbeat{NodeId("a"), 0});
  }
  EXPECT_TRUE(rig.sends.empty());
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  EXPECT_EQ(rig.Sent<wire::Prepare>().trial, TrialId("small-1/0")) << "it is not silent";
  rig.From("a", wire::Heartbeat{NodeId("a"), 7});
  EXPECT_EQ(rig.Sent<wire::HeartbeatAck>().sequence, 7);
}

TEST(Attempts, SilentNodes_OneAfterTheOther_AreEachLostInTime) {
  Rig rig;
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  rig.Join("a", 1);
  rig.RunOne("a");
  rig.Pass(5'000, {"a"});  // heard last at 4.2 s
  rig.Join("b", 1);
  rig.RunOne("b");
  rig.Pass(5'000, {"b"});  // at 9.2 s
  rig.Pass(8'200);         // 18.2 s
  EXPECT_EQ(rig.state().live.size(), 2U);
  rig.Pass(200);
  EXPECT_EQ(rig.state().live.size(), 1U);
  rig.Pass(4'800);  // 23.2 s
  EXPECT_EQ(rig.state().live.size(), 1U);
  rig.Pass(200);
  EXPECT_TRUE(rig.state().live.empty());
}

TEST(Attempts, SilentNode_LosesItsAttemptAfterLeaseAndMargin) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch old = rig.RunOne("a");
  rig.Pass(13'800);
  EXPECT_EQ(rig.state().live.size(), 1u);
  rig.Pass(600);
  EXPECT_TRUE(rig.state().live.empty());
  rig.sends.clear();
  rig.Join("b", 1);
  rig.Pass(1'200, {"b"});
  const AttemptEpoch next = rig.RunOne("b");
  EXPECT_GT(next, old);

  // The old attempt comes back: it is fenced wherever it speaks.
  rig.sends.clear();
  rig.Join("a", 1, 1, {{old, TrialId("small-1/0"), wire::AttemptPhase::kRunning}});
  EXPECT_THAT(rig.Sent<wire::Welcome>().kill, testing::ElementsAre(old));
  rig.From("a", wire::Records{old, 0, 10, {}});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kFenced);
  rig.From("a", wire::Prepared{old, "x", 1});
  EXPECT_EQ(rig.Sent<wire::Abort>().epoch, old);
  rig.Exit("a", old, wire::ExitCause::kSuccess);
  EXPECT_EQ(rig.Sent<wire::Forget>().epoch, old);
  EXPECT_TRUE(rig.sends.empty());
  EXPECT_EQ(rig.trial("small-1/0").live, next);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kRunning);
}

TEST(Attempts, CoordinatorRestart_AdoptsWhatKeptRunning) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.5);
  rig.sends.clear();
  rig.Restart();
  rig.From("a", wire::Heartbeat{NodeId("a"), 1});
  EXPECT_TRUE(rig.sends.empty()) << "no lease before Hello";
  rig.Join("a", 1, 1, {{epoch, TrialId("small-1/0"), wire::AttemptPhase::kRunning}});
  const auto welcome = rig.Sent<wire::Welcome>();
  EXPECT_EQ(welcome.coordinator, CoordinatorEpoch(2));
  EXPECT_THAT(welcome.keep, testing::ElementsAre(epoch));
  EXPECT_EQ(welcome.records_end.at("1"), 10);
  EXPECT_TRUE(rig.sends.empty());
  rig.Report("a", epoch, 10, 2, 0.6);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 20);
  EXPECT_EQ(rig.trial("small-1/0").value, 0.6);
  EXPECT_EQ(rig.trial("small-1/0").attempts.size(), 1u);
}

TEST(Attempts, CoordinatorRestart_NodeThatNeverComesBackIsLost) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.RunOne("a");
  rig.Restart();
  rig.Pass(13'800);
  EXPECT_EQ(rig.state().live.size(), 1u);
  rig.Pass(600);
  EXPECT_TRUE(rig.state().live.empty());
}

TEST(Attempts, AgentRestartedWithoutTheAttempt_IsANodeFailure) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.sends.clear();
  rig.Join("a", 1, 2);
  EXPECT_EQ(rig.Sent<wire::Stop>().epoch, epoch);
  rig.Exit("a", epoch, wire::ExitCause::kInfra);
  EXPECT_EQ(rig.state().attempts.at(epoch).cause, wire::ExitCause::kNode);
  EXPECT_EQ(rig.trial("small-1/0").failures(Charge::kInfra), 1);
}

TEST(Attempts, ExitOfAFencedAttempt_NeedsNoRecords) {
  // Found by the simulator: an agent that was told Stop(kFenced) sends no more records.
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 50);
  EXPECT_EQ(rig.CountSent<wire::Forget>(), 0);
  rig.Exit("a", epoch, wire::ExitCause::kFenced, 50);
  EXPECT_EQ(rig.Sent<wire::Forget>().epoch, epoch);
  EXPECT_FALSE(rig.state().attempts.at(epoch).live());
}

TEST(Attempts, EveryMessageTwice_ChangesNothing) {
  Rig rig;
  rig.Join("a", 1);
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  const AttemptEpoch epoch = rig.Sent<wire::Prepare>().epoch;
  for (int i = 0; i < 2; ++i) rig.From("a", wire::Prepared{epoch, "127.0.0.1", 5000});
  for (int i = 0; i < 2; ++i) rig.From("a", wire::Started{epoch});
  for (int i = 0; i < 2; ++i) rig.Report("a", epoch, 0, 1, 0.9);
  EXPECT_EQ(rig.stored.size(), 1u);
  for (int i = 0; i < 2; ++i) rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.CountSent<wire::Forget>(), 2);
  EXPECT_EQ(rig.state().attempts.size(), 1u);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kComplete);
}

}  // namespace
}  // namespace muster::coordinator
