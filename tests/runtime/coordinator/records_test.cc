#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using ::testing::HasSubstr;

class RecordsTest : public testing::Test {
 protected:
  void Run(wire::SweepSpec spec = SmallSpec()) {
    rig.Join("a", 1);
    rig.Do(SubmitSweep{spec, {}});
    epoch = rig.RunOne("a");
    rig.sends.clear();
  }
  static wire::TrialRecord Metric(std::int64_t step, double value) {
    wire::TrialRecord record;
    record.step = step;
    record.timestamp_ms = 1000 + step;
    record.metrics["accuracy"] = value;
    return record;
  }
  [[nodiscard]] std::vector<std::pair<std::int64_t, double>> Reports() const {
    const tuner::History& history = rig.sweep("small-1").history;
    std::vector<std::pair<std::int64_t, double>> reports;
    for (const auto& [step, loss] : history.At(0).reports) {
      reports.emplace_back(step, tuner::ValueOf(loss, history.goals()[0]));
    }
    return reports;
  }

  Rig rig;
  AttemptEpoch epoch;
};

TEST_F(RecordsTest, NothingIsAcknowledgedBeforeTheTrackerHasIt) {
  Run();
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(1, 0.5)}});
  EXPECT_EQ(rig.CountSent<wire::Ack>(), 0);
  const auto store = std::get<StoreMetrics>(rig.actions.back());
  EXPECT_EQ(store.epoch, epoch);
  rig.Do(StoreMetricsDone{store.token, {}});
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
}

TEST_F(RecordsTest, TelemetryOfARank_IsStoredAsItsOwnAndIsNoProgress) {
  wire::SweepSpec spec = SmallSpec();
  spec.trial.ranks = 2;
  rig.Join("a", 2);
  rig.Do(SubmitSweep{spec, {}});
  epoch = rig.RunOne("a");
  const auto of_rank = [](int rank) {
    return wire::TrialRecord{.type = wire::RecordType::kProgress,
                             .step = 700,
                             .timestamp_ms = 5,
                             .metrics = {{"step_seconds", 0.25}, {"accuracy", 9}},
                             .rank = rank};
  };
  rig.From("a", wire::Records{epoch, 0, 10, {of_rank(1), of_rank(2), of_rank(-1), Metric(1, 0.5)}});
  const auto store = std::get<StoreMetrics>(rig.actions.back());
  std::vector<std::string> stored;
  for (const TrackedMetric& metric : store.metrics) {
    stored.push_back(metric.key + " " + std::to_string(metric.step) + " " +
                     std::to_string(metric.rank));
  }
  EXPECT_EQ(stored,
            (std::vector<std::string>{"accuracy 700 1", "step_seconds 700 1", "accuracy 1 -1"}));
  ASSERT_EQ(store.places.size(), 1U);
  EXPECT_EQ(store.places[0].rank, 1);
  EXPECT_EQ(store.places[0].node, NodeId("a"));
  EXPECT_EQ(store.places[0].gpu, -1);
  rig.Do(StoreMetricsDone{store.token, {}});
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
  EXPECT_EQ(rig.trial("small-1/0").step, 1);
  EXPECT_EQ(rig.trial("small-1/0").metrics.size(), 1U);
  EXPECT_EQ(Reports().size(), 1U);
}

TEST_F(RecordsTest, TelemetryOfAStaleAttempt_IsRefused) {
  Run();
  rig.From("a", wire::Records{AttemptEpoch(epoch.value + 7),
                              0,
                              10,
                              {{.type = wire::RecordType::kProgress,
                                .step = 1,
                                .metrics = {{"step_seconds", 1}},
                                .rank = 0}}});
  EXPECT_TRUE(rig.actions.empty() || !std::holds_alternative<StoreMetrics>(rig.actions.back()));
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kFenced);
}

TEST_F(RecordsTest, TrackerAway_TheAgentSendsFromThereAgain) {
  Run();
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(1, 0.5)}});
  rig.From("a", wire::Records{epoch, 10, 20, {Metric(2, 0.6)}});
  const auto first = std::get<StoreMetrics>(rig.actions[0]);
  const auto second = std::get<StoreMetrics>(rig.actions[1]);
  rig.Do(StoreMetricsDone{first.token, Unavailable("away")});
  rig.Do(StoreMetricsDone{second.token, {}});
  EXPECT_EQ(rig.CountSent<wire::Ack>(), 0);
  rig.actions.clear();
  rig.Report("a", epoch, 0, 1, 0.5);
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
}

TEST_F(RecordsTest, StoresThatFinishOutOfOrder_AreAcceptedInOrder) {
  Run();
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(1, 0.5)}});
  rig.From("a", wire::Records{epoch, 10, 20, {Metric(2, 0.6)}});
  rig.Do(StoreMetricsDone{std::get<StoreMetrics>(rig.actions[1]).token, {}});
  EXPECT_EQ(rig.CountSent<wire::Ack>(), 0);
  rig.Do(StoreMetricsDone{std::get<StoreMetrics>(rig.actions[0]).token, {}});
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 20);
  EXPECT_THAT(Reports(), testing::ElementsAre(std::pair(1, 0.5), std::pair(2, 0.6)));
}

TEST_F(RecordsTest, Gap_IsRefusedWithWhatIsThere) {
  Run();
  rig.From("a", wire::Records{epoch, 30, 40, {Metric(4, 0.5)}});
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 0);
  EXPECT_TRUE(rig.actions.empty());
}

TEST_F(RecordsTest, MetricsTheTrackerRefuses_FailTheTrialWithItsSentence) {
  Run();
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(1, 0.5)}});
  const auto store = std::get<StoreMetrics>(rig.actions.back());
  rig.Do(StoreMetricsDone{store.token, Invalid("bad name")});
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 10);
  EXPECT_EQ(rig.Sent<wire::Stop>().epoch, epoch);
  rig.Exit("a", epoch, wire::ExitCause::kStopped, 10);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
  EXPECT_THAT(rig.trial("small-1/0").message, HasSubstr("bad name"));
}

TEST_F(RecordsTest, Exit_WaitsForItsRecords) {
  Run();
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.CountSent<wire::Forget>(), 0);
  EXPECT_EQ(rig.Sent<wire::Ack>().records_end, 0);
  rig.Report("a", epoch, 0, 1, 0.5);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.CountSent<wire::Forget>(), 1);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kComplete);
}

TEST_F(RecordsTest, Result_CommitsOnceAndKeepsTheSlotUntilTheExit) {
  Run();
  wire::TrialRecord result;
  result.type = wire::RecordType::kResult;
  result.step = 9;
  result.path = "/c/best";
  result.metrics = {{"accuracy", 0.95}, {"test/accuracy", 0.94}};
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(9, 0.9), result}});
  rig.AnswerCommands();
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kComplete);
  EXPECT_EQ(rig.trial("small-1/0").value, 0.95);
  EXPECT_EQ(rig.trial("small-1/0").checkpoint->path, "/c/best");
  EXPECT_EQ(rig.state().live.size(), 1u);
  rig.From("a", wire::Records{epoch, 10, 20, {result}});
  rig.AnswerCommands();
  rig.Exit("a", epoch, wire::ExitCause::kUser, 20);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kComplete) << "what follows changes nothing";
}

TEST_F(RecordsTest, Result_AddsNoPointToACurve_AlsoBeforeTheTrackerHasIt) {
  Run();
  rig.From("a", wire::Records{epoch, 0, 10, {Metric(2, 0.9), Metric(3, 0.8)}});
  wire::TrialRecord result;
  result.type = wire::RecordType::kResult;
  result.step = 3;
  result.metrics = {{"accuracy", 0.9}, {"test/accuracy", 0.94}};
  rig.From("a", wire::Records{epoch, 10, 20, {result}});
  const auto stored = std::get<StoreMetrics>(rig.actions.back());
  ASSERT_EQ(stored.metrics.size(), 1u);
  EXPECT_EQ(stored.metrics[0].key, "test/accuracy");
}

TEST_F(RecordsTest, MissingObjective_FailsAndListsWhatCame) {
  Run();
  rig.Report("a", epoch, 0, 1, 0.5, "loss");
  rig.Report("a", epoch, 10, 1, 0.5, "train/accuracy");
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 20);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
  EXPECT_THAT(rig.trial("small-1/0").message,
              HasSubstr("without the metric 'accuracy', which the sweep optimises; it reported "
                        "loss, train/accuracy"));
}

TEST_F(RecordsTest, Resumed_HidesLaterPointsOfEarlierAttempts) {
  Run();
  rig.Report("a", epoch, 0, 1, 0.5);
  rig.Report("a", epoch, 10, 2, 0.6);
  rig.Report("a", epoch, 20, 3, 0.7);
  rig.Exit("a", epoch, wire::ExitCause::kResume, 30);
  const AttemptEpoch second = rig.RunOne("a");
  wire::TrialRecord resumed;
  resumed.type = wire::RecordType::kResumed;
  resumed.step = 2;
  rig.From("a", wire::Records{second, 0, 10, {resumed, Metric(3, 0.65)}});
  rig.AnswerCommands();
  EXPECT_THAT(Reports(),
              testing::ElementsAre(std::pair(1, 0.5), std::pair(2, 0.6), std::pair(3, 0.65)));
  const auto& resume = std::get<ResumeRun>(rig.commands.back());
  EXPECT_EQ(resume.epoch, second);
  EXPECT_EQ(resume.step, 2);
}

TEST_F(RecordsTest, StartedOverWithoutSayingSo_HidesWhatItRepeats) {
  Run();
  rig.Report("a", epoch, 0, 1, 0.5);
  rig.Report("a", epoch, 10, 2, 0.6);
  rig.Exit("a", epoch, wire::ExitCause::kInfra, 20);
  rig.Pass(1'200, {"a"});
  const AttemptEpoch second = rig.RunOne("a");
  rig.Report("a", second, 0, 1, 0.4);
  EXPECT_THAT(Reports(), testing::ElementsAre(std::pair(1, 0.4)));
}

TEST_F(RecordsTest, TrackedMetrics_CountOnceWhereverTheyCameFrom) {
  Run();
  const RunId run = rig.trial("small-1/0").run;
  const TrackedMetrics tracked{run, {{"accuracy", 0.5, 1001, 1, 0}, {"loss", 2, 1001, 1, 0}}};
  rig.Do(tracked);
  const std::int64_t position = rig.sweep("small-1").history.position();
  rig.Do(tracked);
  EXPECT_EQ(rig.sweep("small-1").history.position(), position);
  EXPECT_THAT(Reports(), testing::ElementsAre(std::pair(1, 0.5)));
  rig.Do(TrackedMetrics{run, {{"accuracy", 0.9, 1002, 2, epoch.value + 5}}});
  EXPECT_EQ(Reports().size(), 1u) << "of another attempt";
  rig.Exit("a", epoch, wire::ExitCause::kSuccess);
  EXPECT_EQ(rig.trial("small-1/0").value, 0.5);
}

TEST_F(RecordsTest, TrackedMetrics_OnlyThoseOfTheAttemptProveThatItRuns) {
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  epoch = rig.Sent<wire::Prepare>().epoch;
  rig.From("a", wire::Prepared{epoch, "127.0.0.1", 5000});
  const RunId run = rig.trial("small-1/0").run;
  rig.Do(TrackedMetrics{run, {{"note", 1, 1001, 1, 0}}});  // a person's
  EXPECT_EQ(rig.state().FindAttempt(epoch)->phase, wire::AttemptPhase::kPrepared);
  EXPECT_EQ(rig.trial("small-1/0").metrics.at("note"), 1);
  rig.Do(TrackedMetrics{run, {{"loss", 2, 1002, 2, epoch.value}}});
  EXPECT_EQ(rig.state().FindAttempt(epoch)->phase, wire::AttemptPhase::kRunning);
}

TEST_F(RecordsTest, History_FollowsReportsThatComeOutOfOrderOrAgain) {
  Run();
  const RunId run = rig.trial("small-1/0").run;
  std::int64_t time = 1000;
  for (const auto& [step, value] : {std::pair(3, 0.3), {1, 0.1}, {2, 0.2}, {3, 0.4}, {5, 0.5}}) {
    rig.Do(TrackedMetrics{run, {{"accuracy", value, ++time, step, epoch.value}}});
  }
  EXPECT_THAT(Reports(), testing::ElementsAre(std::pair(1, 0.1), std::pair(2, 0.2),
                                              std::pair(3, 0.4), std::pair(5, 0.5)));
  rig.Exit("a", epoch, wire::ExitCause::kNode);
  rig.Pass(1'200, {"a"});
  const AttemptEpoch second = rig.RunOne("a");
  wire::TrialRecord resumed;
  resumed.type = wire::RecordType::kResumed;
  resumed.step = 2;
  rig.From("a", wire::Records{second, 0, 10, {resumed}});
  rig.Report("a", second, 10, 4, 0.45);
  EXPECT_THAT(Reports(),
              testing::ElementsAre(std::pair(1, 0.1), std::pair(2, 0.2), std::pair(4, 0.45)));
}

TEST_F(RecordsTest, Token_IsFencedWithTheEndOfItsAttempt) {
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  rig.AnswerCommands();
  const auto prepare = rig.Sent<wire::Prepare>();
  const std::string token = prepare.env.at("MLFLOW_TRACKING_TOKEN");
  EXPECT_TRUE(rig.coordinator().AttemptOf(token)->live);
  EXPECT_EQ(rig.coordinator().AttemptOf(token)->run, prepare.run);
  rig.Exit("a", prepare.epoch, wire::ExitCause::kUser);
  EXPECT_FALSE(rig.coordinator().AttemptOf(token)->live);
  EXPECT_FALSE(rig.coordinator().AttemptOf("unknown"));
}

TEST_F(RecordsTest, Logs_AreAcknowledgedByWhatIsKept) {
  Run();
  rig.From("a", wire::LogChunk{epoch, 0, "out", 5, "aGVsbG8="});
  const auto store = std::get<StoreLog>(rig.actions.back());
  EXPECT_EQ(store.log, "0.out");
  EXPECT_EQ(rig.CountSent<wire::Ack>(), 0);
  rig.Do(LogStored{store.node, store.epoch, store.log, 10});
  EXPECT_EQ(rig.Sent<wire::Ack>().logs_end.at("0.out"), 10);
}

}  // namespace
}  // namespace muster::coordinator
