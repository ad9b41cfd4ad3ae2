#include "runtime/coordinator/validate.h"
#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

using ::testing::HasSubstr;

/// Suggests {"lr": 1, 2, ...} and remembers how much history it saw; has `points` of them.
class CountingSampler final : public tuner::Sampler {
 public:
  explicit CountingSampler(std::int64_t points) : points_(points) {}
  Result<tuner::Suggestion> Suggest(std::int64_t number, const tuner::History& history) override {
    EXPECT_EQ(history.size(), number);
    if (number >= points_) return ResourceExhausted("space exhausted");
    return tuner::Suggestion{{{"lr", static_cast<double>(number + 1)}}, "counting"};
  }
  std::string Explain(const tuner::History& /*history*/) override { return "counts"; }

 private:
  std::int64_t points_;
};

/// Stops what reports less than 0.5.
class HalfPruner final : public tuner::Scheduler {
 public:
  tuner::Verdict Judge(std::int64_t number, const tuner::History& history) override {
    // Accuracy, which is maximised: the loss of less than 0.5 is above -0.5.
    return history.At(number).reports.back().loss > -0.5 ? tuner::Verdict::kStop
                                                         : tuner::Verdict::kContinue;
  }
  std::string Explain(const tuner::History& /*history*/) override { return "halves"; }
};

Config WithFakes(std::int64_t points = 1'000'000) {
  Config config;
  config.make_search = [points](const auto&) -> Result<tuner::Search> {
    return tuner::Search{std::make_unique<CountingSampler>(points), std::make_unique<HalfPruner>()};
  };
  return config;
}

TEST(Sweeps, SubmittedTwice_IsTheSameSweep) {
  Rig rig;
  const auto first = rig.Ask(SubmitSweep{SmallSpec(), SweepId("mine")});
  EXPECT_EQ(first->at("created"), true);
  const auto again = rig.Ask(SubmitSweep{SmallSpec(), SweepId("mine")});
  EXPECT_EQ(again->at("created"), false);
  EXPECT_EQ(rig.state().sweeps.size(), 1u);
  wire::SweepSpec edited = SmallSpec();
  edited.code = wire::CodeSpec{.commit = "0123abc", .dirty = true};
  EXPECT_EQ(rig.Ask(SubmitSweep{edited, SweepId("mine")})->at("created"), false);
  const auto other = rig.Ask(SubmitSweep{SmallSpec(2), SweepId("mine")});
  EXPECT_EQ(other.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(rig.Ask(SubmitSweep{SmallSpec(), {}})->at("id"), "small-1");
  EXPECT_EQ(rig.Ask(SubmitSweep{SmallSpec(), {}})->at("id"), "small-2");
}

TEST(Sweeps, WrongSpecs_AreRefusedWithTheirPath) {
  const auto error = [](auto change) {
    wire::SweepSpec spec = SmallSpec();
    change(spec);
    const Status status = ValidateSpec(spec);
    return status.ok() ? "ok" : status.error().message;
  };
  EXPECT_EQ(error([](auto&) {}), "ok");
  EXPECT_THAT(error([](auto& s) { s.sampler = "tqe"; }),
              HasSubstr("at sampler: unknown sampler 'tqe'"));
  EXPECT_EQ(error([](auto& s) { s.trial.env["MUSTER_BIND"] = "core"; }), "ok");
  EXPECT_EQ(error([](auto& s) { s.trial.env["MUSTER_BIND"] = "cores"; }),
            "at trial.env.MUSTER_BIND: wanted one of auto, none, numa, core, got 'cores'");
  EXPECT_THAT(error([](auto& s) { s.code = wire::CodeSpec{.commit = "HEAD"}; }),
              HasSubstr("at code.commit: wanted at most 64 hexadecimal digits"));
  EXPECT_THAT(error([](auto& s) {
                s.trial.program = "digits";
                s.trial.command.clear();
                s.model = wire::ModelSpec{.name = "m", .segments = {"age", "a,b"}};
              }),
              HasSubstr("at model.segments[1]: wanted the name of a column, got 'a,b'"));
  EXPECT_THAT(error([](auto& s) { s.trial.ranks = 0; }),
              HasSubstr("at trial.ranks: wanted at least 1, got 0"));
  EXPECT_THAT(error([](auto& s) {
                s.objective.metric = "";
                s.budget.trials = 2;
              }),
              HasSubstr("at objective.metric"));
  EXPECT_EQ(error([](auto& s) { s.objective.metric = ""; }), "ok") << "one trial alone";
  EXPECT_THAT(error([](auto& s) { s.trial.command = {"x", "{rate}"}; }),
              HasSubstr("at trial.command[1]: {rate} names no parameter"));
  EXPECT_EQ(error([](auto& s) { s.trial.command = {"x", "${HOME} {{rate}} { a; } {lr}{seed}"}; }),
            "ok");
  EXPECT_THAT(error([](auto& s) { s.space["lr"] = {{"float", {1, 0}}}; }),
              HasSubstr("at space.lr"));
  EXPECT_THAT(error([](auto& s) { s.stop = {{"asha", {{"eta", 1}}}}; }), HasSubstr("at stop.asha"));
  EXPECT_THAT(error([](auto& s) { s.name = "a/b"; }), HasSubstr("at name"));
  const auto model = [&](auto change) {
    return error([&](wire::SweepSpec& s) {
      s.trial.program = "digits";
      s.trial.command.clear();
      s.model = wire::ModelSpec{.name = "digits", .gates = {{.parity = true}}};
      change(*s.model);
    });
  };
  EXPECT_EQ(model([](auto&) {}), "ok");
  EXPECT_THAT(model([](auto& m) { m.name = "a/b"; }), HasSubstr("at model.name: "));
  EXPECT_THAT(model([](auto& m) { m.promote = "v3"; }), HasSubstr("at model.promote: "));
  EXPECT_THAT(model([](auto& m) { m.gates.push_back({.metric = "f2", .at_least = 1}); }),
              HasSubstr("at model.gates[1].metric: metric 'f2'"));
  EXPECT_THAT(error([](auto& s) { s.budget.trials = 0; }), HasSubstr("at budget.trials"));
  EXPECT_THAT(error([](auto& s) { s.trial.ranks = s.trial.resources.cpu = 65536; }),
              HasSubstr("at trial.resources.cpu: 65536 ranks of 65536 are 4294967296; wanted at "
                        "most 100000"));
  EXPECT_THAT(error([](auto& s) {
                s.trial.ranks = 65536;
                s.trial.resources.gpu = 65536;
              }),
              HasSubstr("at trial.resources.gpu"));
}

TEST(Sweeps, GangThatOverflows_AcceptedBeforeThatWasRefused_OnlyWaits) {
  Rig rig;
  wire::SweepSpec spec = SmallSpec();
  spec.trial.ranks = spec.trial.resources.cpu = 65536;
  const SweepSubmitted submitted{SweepId("old"), spec};
  ASSERT_TRUE(rig.journal().Append({{rig.unix_now(), submitted}}).ok());
  rig.Restart();
  rig.Join("a", 4);
  rig.AnswerCommands();
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  EXPECT_EQ(rig.trial("old/0").phase, TrialPhase::kWaiting);
}

TEST(Sweeps, MoreMemoryThanAnyGpuHas_IsRefused) {
  Rig rig;
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  rig.From("a", wire::Hello{.node = NodeId("a"),
                            .slots = 4,
                            .gpus = 2,
                            .gpu_memory = {80 * kGiB, 40 * kGiB},
                            .incarnation = 1});
  wire::SweepSpec spec = SmallSpec();
  spec.trial.resources.gpu = 2;
  spec.trial.resources.gpu_memory_bytes = 48 * kGiB;
  const auto refused = rig.Ask(SubmitSweep{spec, {}});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(
      refused.error().message,
      HasSubstr("at trial.resources.gpu_memory_bytes: no node can ever hold the gang, which "
                "needs 1 slots and 2 GPUs with 48GiB each on one node; the largest GPU that "
                "a node has is of 80GiB"));
  spec.trial.resources.gpu_memory_bytes = 40 * kGiB;
  EXPECT_TRUE(rig.Ask(SubmitSweep{spec, {}}).ok());
}

TEST(Sweeps, MoreRanksThanAnyNodeHas_IsRefusedWhenNodesAreKnown) {
  Rig rig;
  wire::SweepSpec spec = SmallSpec();
  spec.trial.ranks = 4;
  EXPECT_TRUE(rig.Ask(SubmitSweep{spec, {}}).ok()) << "no node is known yet";
  rig.Join("a", 2);
  const auto refused = rig.Ask(SubmitSweep{spec, SweepId("b")});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(
      refused.error().message,
      HasSubstr("at trial.ranks: 4 ranks of 1 cpu need 4 slots on one node; the largest, a, "
                "has 2"));
}

TEST(Sweeps, Trials_AreMadeAsSlotsHoldThem) {
  Rig rig(WithFakes());
  rig.Join("a", 2);
  rig.Do(SubmitSweep{SmallSpec(5), {}});
  rig.AnswerCommands();
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 2u);
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 2);
  rig.Join("b", 1);
  rig.AnswerCommands();
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 3u);
}

TEST(Sweeps, PrunedTrial_IsStoppedAndEndsAsPruned) {
  Rig rig(WithFakes());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  const AttemptEpoch first = rig.RunOne("a");
  rig.Report("a", first, 0, 1, 0.9);
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Report("a", first, 10, 2, 0.3);
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPruned);
  rig.Exit("a", first, wire::ExitCause::kStopped, 20);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kPruned);
  EXPECT_EQ(rig.trial("small-1/0").value, 0.3);
  const AttemptEpoch second = rig.RunOne("a");
  rig.Report("a", second, 0, 1, 0.8);
  rig.Exit("a", second, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
  EXPECT_EQ(State::Best(rig.sweep("small-1"))->number, 1);
}

TEST(Sweeps, PruneDecision_SurvivesARestart) {
  Rig rig(WithFakes());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.3);
  rig.Restart();
  rig.sends.clear();
  rig.Join("a", 1, 1, {{epoch, TrialId("small-1/0"), wire::AttemptPhase::kRunning}});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPruned);
}

TEST(Sweeps, Cancelled_EndsWaitingTrialsAtOnceAndRunningOnesWithTheirExit) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(5), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Do(ChangeSweep{SweepId("small-1"), SweepVerb::kCancel});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kCancelled);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kRunning) << "slots are still held";
  rig.Exit("a", epoch, wire::ExitCause::kStopped);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kCancelled);
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 1u);
  EXPECT_EQ(rig.Ask(ChangeSweep{SweepId("small-1"), SweepVerb::kPause}).error().kind,
            ErrorKind::kConflict);
}

TEST(Sweeps, PausedAndResumed_StartsTheTrialAgainWithoutCharge) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Do(ChangeSweep{SweepId("small-1"), SweepVerb::kPause});
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPaused);
  rig.Exit("a", epoch, wire::ExitCause::kStopped);
  rig.Pass(5'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Prepare>(), 0);
  rig.Do(ChangeSweep{SweepId("small-1"), SweepVerb::kResume});
  EXPECT_GT(rig.Sent<wire::Prepare>().epoch, epoch);
  EXPECT_EQ(rig.trial("small-1/0").failures(Charge::kInfra), 0);
}

TEST(Sweeps, TimeLimit_StopsWhatRunsAndKeepsWhatCompleted) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(5);
  spec.budget.time_seconds = 60;
  rig.Do(SubmitSweep{spec, {}});
  const AttemptEpoch first = rig.RunOne("a");
  rig.Report("a", first, 0, 1, 0.7);
  rig.Exit("a", first, wire::ExitCause::kSuccess, 10);
  const AttemptEpoch second = rig.RunOne("a");
  rig.Pass(61'000, {"a"});
  EXPECT_EQ(rig.Sent<wire::Stop>().epoch, second);
  rig.Exit("a", second, wire::ExitCause::kStopped);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
  EXPECT_THAT(rig.sweep("small-1").message, HasSubstr("time limit of 60 s"));
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 2u);
}

TEST(Sweeps, WallClockThatJumps_MovesNoTimeLimit) {
  for (const std::int64_t jump : {std::int64_t{7'200'000}, std::int64_t{-7'200'000}}) {
    Rig rig;
    rig.Join("a", 1);
    wire::SweepSpec spec = SmallSpec();
    spec.budget.time_seconds = 60;
    rig.Do(SubmitSweep{spec, {}});
    rig.RunOne("a");
    rig.SetClock(jump);
    rig.Pass(55'000, {"a"});
    EXPECT_EQ(rig.CountSent<wire::Stop>(), 0) << jump;
    rig.Pass(10'000, {"a"});
    EXPECT_GT(rig.CountSent<wire::Stop>(), 0) << jump;
  }
}

TEST(Sweeps, TimeLimit_GoesOnWhileTheCoordinatorIsAway) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec();
  spec.budget.time_seconds = 60;
  rig.Do(SubmitSweep{spec, {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Pass(20'000, {"a"});
  rig.SetClock(30'000);  // the wall clock goes on, this process does not
  rig.Restart();
  rig.Join("a", 1, 1, {{epoch, TrialId("small-1/0"), wire::AttemptPhase::kRunning}});
  rig.Pass(8'000, {"a"});
  EXPECT_EQ(rig.CountSent<wire::Stop>(), 0);
  rig.Pass(4'000, {"a"});
  EXPECT_GT(rig.CountSent<wire::Stop>(), 0);
}

TEST(Sweeps, ExhaustedSpace_EndsTheSweepBeforeItsBudget) {
  Rig rig(WithFakes(1));
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(5), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.7);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 1u);
}

TEST(Sweeps, TrialStoppedByRequest_CanBeRetried) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Do(StopTrial{TrialId("small-1/0")});
  rig.Exit("a", epoch, wire::ExitCause::kStopped);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kCancelled);
  EXPECT_EQ(rig.Ask(StopTrial{TrialId("small-1/0")}).error().kind, ErrorKind::kConflict);
  rig.Do(RetryTrial{TrialId("small-1/0")});
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kRunning) << "the slot was free";
  EXPECT_EQ(rig.trial("small-1/0").attempts.size(), 2u);
  EXPECT_EQ(rig.Ask(StopTrial{TrialId("small-1/9")}).error().kind, ErrorKind::kNotFound);
}

TEST(Sweeps, Cancelled_OverrulesAStopThatWouldBeRetried) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  rig.AnswerCommands();
  rig.Pass(61'000, {"a"});  // it did not prepare
  ASSERT_EQ(rig.state().FindAttempt(AttemptEpoch(1))->stop->cause, wire::ExitCause::kInfra);
  rig.Do(StopTrial{TrialId("small-1/0")});
  rig.Exit("a", AttemptEpoch(1), wire::ExitCause::kStopped);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kCancelled);
  EXPECT_EQ(rig.trial("small-1/0").message, "stopped by request");
  EXPECT_EQ(rig.trial("small-1/0").failures(Charge::kInfra), 0);
}

TEST(Sweeps, TrialWhoseRunWasRefused_AsksForItAgainWhenRetried) {
  Rig rig;
  rig.Join("a", 2);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  const auto create = std::get<RunCommand>(rig.actions.front());
  rig.actions.pop_front();
  rig.Do(OutboxDone{create.id, "the experiment is deleted", {}});
  ASSERT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
  rig.Do(RetryTrial{TrialId("small-1/0")});
  rig.AnswerCommands();  // FinishRun of the refused run, and CreateRun again
  EXPECT_TRUE(rig.trial("small-1/0").run_created);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kRunning);
}

TEST(Sweeps, TrialRetriedWhileItsRunIsBeingMade_AsksOnce) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  rig.Do(StopTrial{TrialId("small-1/0")});
  rig.Do(RetryTrial{TrialId("small-1/0")});
  rig.AnswerCommands();
  EXPECT_EQ(std::ranges::count_if(rig.commands,
                                  [](const Command& command) {
                                    const auto* create = std::get_if<CreateRun>(&command);
                                    return create && create->trial == TrialId("small-1/0");
                                  }),
            1);
}

TEST(Sweeps, WithAModel_PromotesTheBestAndKeepsTheVerdict) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(2);
  spec.trial.command.clear();
  spec.trial.program = "digits";
  spec.model.emplace();
  spec.model->name = "digits";
  rig.Do(SubmitSweep{spec, {}});
  for (const double value : {0.8, 0.6}) {
    const AttemptEpoch epoch = rig.RunOne("a");
    wire::TrialRecord checkpoint;
    checkpoint.type = wire::RecordType::kCheckpoint;
    checkpoint.step = 1;
    checkpoint.path = "/c/" + std::to_string(value);
    checkpoint.metrics["accuracy"] = value;
    wire::TrialRecord result;
    result.type = wire::RecordType::kResult;
    result.metrics["accuracy"] = value;
    rig.From("a", wire::Records{epoch, 0, 20, {checkpoint, result}});
    rig.AnswerCommands();
    rig.Exit("a", epoch, wire::ExitCause::kSuccess, 20);
  }
  ASSERT_EQ(rig.sweep("small-1").phase, SweepPhase::kPromoting);
  rig.Restart();  // before the registry answered: the command is given out again
  const RunCommand* promotion = nullptr;
  for (const Action& action : rig.actions) {
    const auto* command = std::get_if<RunCommand>(&action);
    if (command && std::holds_alternative<PromoteModel>(command->command)) promotion = command;
  }
  ASSERT_NE(promotion, nullptr);
  const auto& promote = std::get<PromoteModel>(promotion->command);
  EXPECT_EQ(promote.trial, TrialId("small-1/0"));
  EXPECT_THAT(promote.checkpoint, HasSubstr("0.8"));
  rig.Do(OutboxDone{promotion->id, {}, {{"state", "promoted"}, {"version", 1}}});
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
  const auto view = SweepView(rig.coordinator(), SweepId("small-1"), {rig.now(), rig.unix_now()});
  EXPECT_EQ(view->at("promotion").at("state"), "promoted");
}

TEST(Sweeps, Explain_SaysWhatAWaitingTrialWaitsFor) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(2);
  spec.budget.parallel = 2;
  rig.Do(SubmitSweep{spec, SweepId("first")});
  rig.RunOne("a");
  rig.Do(SubmitSweep{SmallSpec(), SweepId("second")});
  rig.AnswerCommands();
  const auto why =
      ExplainTrial(rig.coordinator(), TrialId("second/0"), {rig.now(), rig.unix_now()});
  ASSERT_TRUE(why.ok());
  const std::string text(why->at("explanation").as_string());
  EXPECT_THAT(text, HasSubstr("waits until these are free: 1 slots on one node"));
  EXPECT_THAT(text, HasSubstr("Node a is up with 0 of 1 slots free"));
}

}  // namespace
}  // namespace muster::coordinator
