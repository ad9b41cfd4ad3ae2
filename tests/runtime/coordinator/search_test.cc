// What a sweep's search asks of the coordinator: trials that pause, go on and are cloned, failures that teach or
// do not, and suggestions that can be verified.
#include <gtest/gtest.h>

#include "runtime/coordinator/verify_search.h"
#include "runtime/coordinator/views.h"
#include "tests/runtime/coordinator/rig.h"

namespace muster::coordinator {
namespace {

/// Each trial pauses at step 1. Once two are paused the better one goes on; a trial beyond `clones_from` is a clone
/// of trial 0.
class PausingScheduler final : public tuner::Scheduler {
 public:
  explicit PausingScheduler(std::int64_t clones_from) : clones_from_(clones_from) {}
  tuner::Verdict Judge(std::int64_t number, const tuner::History& history) override {
    return history.At(number).reports.back().step == 1 ? tuner::Verdict::kPause
                                                       : tuner::Verdict::kContinue;
  }
  tuner::Choice Choose(std::int64_t number, const tuner::History& history) override {
    std::vector<const tuner::Trial*> paused;
    for (const tuner::Trial& trial : history.trials()) {
      if (trial.state == tuner::TrialState::kPaused) paused.push_back(&trial);
    }
    if (paused.size() == 2) {
      const bool first = paused[0]->reports[0].loss <= paused[1]->reports[0].loss;
      return {tuner::Choice::Kind::kResume, paused[first ? 0 : 1]->number, 1, {}};
    }
    if (number < clones_from_) return {};
    return {tuner::Choice::Kind::kClone, 0, 1, {{"lr", 0.05}}};
  }
  std::string Explain(const tuner::History& /*history*/) override { return "pauses at step 1"; }

 private:
  std::int64_t clones_from_;
};

Config Pausing(std::int64_t clones_from = 1'000) {
  Config config = Config::Default();
  config.make_search = [clones_from](const auto& spec) -> Result<tuner::Search> {
    return tuner::Search{*tuner::MakeSampler(spec),
                         std::make_unique<PausingScheduler>(clones_from)};
  };
  return config;
}

/// Runs the next trial to step 1 with `value`, and to its exit.
AttemptEpoch RunToItsRung(Rig& rig, double value) {
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, value);
  EXPECT_EQ(rig.Sent<wire::Stop>().reason, wire::StopReason::kPaused);
  rig.Exit("a", epoch, wire::ExitCause::kStopped, 10);
  return epoch;
}

TEST(Search, PausedTrials_GiveTheirSlotsBackAndTheBestGoesOn) {
  Rig rig(Pausing());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  RunToItsRung(rig, 0.3);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kPaused);
  EXPECT_EQ(rig.sweep("small-1").trials.size(), 2U) << "its slot went to the next";
  RunToItsRung(rig, 0.8);
  EXPECT_EQ(rig.trial("small-1/1").phase, TrialPhase::kRunning) << "resumed at once";
  rig.Restart();
  rig.Join("a", 1);
  const AttemptEpoch epoch = rig.RunOne("a");
  EXPECT_EQ(rig.state().attempts.at(epoch).trial.value, "small-1/1");
  EXPECT_EQ(rig.trial("small-1/1").failures(Charge::kInfra), 0) << "a pause is no failure";
  rig.Report("a", epoch, 0, 2, 0.9);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.trial("small-1/1").phase, TrialPhase::kComplete);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kPruned) << "nothing is left to wait for";
  EXPECT_EQ(rig.trial("small-1/0").value, 0.3);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kComplete);
}

TEST(Search, CancelledSweep_EndsItsPausedTrials) {
  Rig rig(Pausing());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  RunToItsRung(rig, 0.3);
  const AttemptEpoch second = rig.RunOne("a");
  rig.Do(ChangeSweep{SweepId("small-1"), SweepVerb::kCancel});
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kCancelled);
  rig.Exit("a", second, wire::ExitCause::kStopped);
  EXPECT_EQ(rig.sweep("small-1").phase, SweepPhase::kCancelled);
}

TEST(Search, PausedTrialStoppedByRequest_Ends) {
  Rig rig(Pausing());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  RunToItsRung(rig, 0.3);
  rig.Do(StopTrial{TrialId("small-1/0")});
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kCancelled);
}

TEST(Search, NodeLostWhileATrialPauses_ItStaysPaused) {
  Rig rig(Pausing());
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.3);
  rig.Pass(20'000);
  EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kPaused);
}

TEST(Search, Clone_StartsFromItsDonorsCheckpoints) {
  Rig rig(Pausing(1));
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), {}});
  RunToItsRung(rig, 0.3);
  rig.AnswerCommands();
  const auto prepare = rig.Sent<wire::Prepare>();
  EXPECT_EQ(prepare.trial.value, "small-1/1");
  EXPECT_EQ(prepare.start_from, "/checkpoints/small-1/0");
  EXPECT_EQ(rig.trial("small-1/1").params.at("lr"), tuner::ParamValue(0.05));
  EXPECT_EQ(rig.trial("small-1/1").by, "clone");
  const auto& run = std::get<CreateRun>(rig.commands.back());
  EXPECT_EQ(run.tags.at("muster.cloned_from"), "small-1/0");
}

TEST(Search, OnlyItsOwnFailures_TeachTheSampler) {
  for (const auto& [cause, state] :
       {std::pair(wire::ExitCause::kUser, tuner::TrialState::kFailed),
        std::pair(wire::ExitCause::kOom, tuner::TrialState::kFailed),
        std::pair(wire::ExitCause::kInfra, tuner::TrialState::kLost)}) {
    Rig rig;
    rig.Join("a", 1);
    wire::SweepSpec spec = SmallSpec();
    spec.retry.infra = 0;
    rig.Do(SubmitSweep{spec, {}});
    rig.Exit("a", rig.RunOne("a"), cause);
    EXPECT_EQ(rig.trial("small-1/0").phase, TrialPhase::kFailed);
    EXPECT_EQ(rig.sweep("small-1").history.At(0).state, state);
  }
}

SearchVerification Verified(Rig& rig) {
  SearchVerifier verifier(SweepId("small-1"));
  const auto events = rig.journal().Load();
  for (const Event& event : *events) verifier.Read(event);
  return *verifier.Finish();
}

TEST(Search, EnqueuedTrials_ComeFirstAndSurviveARestart) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(4);
  spec.enqueue = {{{"lr", 0.01}}};
  rig.Do(SubmitSweep{spec, {}});
  rig.Do(EnqueueTrial{SweepId("small-1"), {{"lr", 0.02}}});
  EXPECT_EQ(rig.Ask(EnqueueTrial{SweepId("small-1"), {{"lr", 7}}}).error().message,
            "at params.lr: wanted a number from 0.001 to 0.1, got 7");
  EXPECT_EQ(rig.Ask(EnqueueTrial{SweepId("other"), {}}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(rig.trial("small-1/0").params.at("lr"), tuner::ParamValue(0.01));
  rig.Restart();
  rig.Join("a", 1);
  rig.Exit("a", rig.RunOne("a"), wire::ExitCause::kUser);
  EXPECT_EQ(rig.trial("small-1/1").params.at("lr"), tuner::ParamValue(0.02));
  EXPECT_EQ(rig.trial("small-1/1").by, "enqueued");
  rig.Exit("a", rig.RunOne("a"), wire::ExitCause::kUser);
  EXPECT_EQ(rig.trial("small-1/2").by, "random");
  const SearchVerification verification = Verified(rig);
  EXPECT_EQ(verification.by_people, 2);
  EXPECT_EQ(verification.verified, 1);
}

TEST(Search, WarmStart_BeginsWithTheTrialsOfAnEarlierSweep) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(2), SweepId("first")});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 0.75);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  wire::SweepSpec spec = SmallSpec(1);
  spec.warm_start = {{"first", 0.5}};
  rig.Do(SubmitSweep{spec, SweepId("second")});
  const tuner::History& history = rig.sweep("second").history;
  ASSERT_EQ(history.imported(), 1);
  EXPECT_EQ(history.At(-1).params, rig.trial("first/0").params);
  EXPECT_EQ(history.At(-1).losses, std::vector<double>{-0.75});
  EXPECT_EQ(history.At(-1).weight, 0.5);
  spec.warm_start = {{"nope", 1}};
  EXPECT_EQ(rig.Ask(SubmitSweep{spec, SweepId("third")}).error().message,
            "at warm_start[0].sweep: there is no sweep 'nope'");
  spec.warm_start = {{"first", 1}};
  spec.space = {{"width", {{"int", {1, 2}}}}};
  spec.trial.command = {"train", "{width}"};
  EXPECT_EQ(rig.Ask(SubmitSweep{spec, SweepId("third")}).error().message,
            "at warm_start[0].sweep: none of the 2 trials of first is complete or failed and lies "
            "in this space");
}

TEST(Search, WidenedSpace_KeepsTheHistoryAndIsVerified) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(40);
  spec.sampler = "tpe";
  rig.Do(SubmitSweep{spec, {}});
  const auto run = [&](int trials) {
    for (int i = 0; i < trials; ++i) {
      const AttemptEpoch epoch = rig.RunOne("a");
      const auto& trial = rig.trial(rig.state().attempts.at(epoch).trial.value);
      rig.Report("a", epoch, 0, 1, std::get<double>(trial.params.at("lr")));
      rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
    }
  };
  run(14);
  EXPECT_EQ(
      rig.Ask(WidenSpace{SweepId("small-1"), {{"lr", {{"float", {0.01, 1}}, {"log", true}}}}, {}})
          .error()
          .kind,
      ErrorKind::kInvalid);
  rig.Do(WidenSpace{SweepId("small-1"), {{"lr", {{"float", {0.001, 10}}, {"log", true}}}}, {}});
  run(20);
  EXPECT_EQ(rig.sweep("small-1").history.At(3).state, tuner::TrialState::kComplete);
  EXPECT_GT(*State::Best(rig.sweep("small-1"))->value, 0.1) << "beyond the old bound";
  const SearchVerification verification = Verified(rig);
  EXPECT_TRUE(verification.differences.empty());
  EXPECT_GE(verification.verified, 34);
}

TEST(Search, TwoObjectives_AreBothTold) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(2);
  spec.more_objectives = {{"seconds", "minimize"}, {"accuracy", "maximize"}};
  EXPECT_EQ(rig.Ask(SubmitSweep{spec, {}}).error().message,
            "at more_objectives[1].metric: 'accuracy' is an objective already");
  spec.more_objectives.pop_back();
  rig.Do(SubmitSweep{spec, {}});
  const AttemptEpoch epoch = rig.RunOne("a");
  rig.Report("a", epoch, 0, 1, 3.5, "seconds");
  rig.Report("a", epoch, 10, 1, 0.75);
  rig.Exit("a", epoch, wire::ExitCause::kSuccess, 20);
  EXPECT_EQ(rig.sweep("small-1").history.At(0).losses, (std::vector<double>{-0.75, 3.5}));
  const AttemptEpoch second = rig.RunOne("a");
  rig.Report("a", second, 0, 1, 0.75);
  rig.Exit("a", second, wire::ExitCause::kSuccess, 10);
  EXPECT_EQ(rig.trial("small-1/1").phase, TrialPhase::kFailed);
  EXPECT_NE(rig.trial("small-1/1").message.find("without the metric 'seconds'"), std::string::npos);
}

TEST(Search, ConstraintsOfASweep_AreKeptAndNamed) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(2);
  spec.constraints = {"lr > 1"};
  const auto refused = rig.Ask(SubmitSweep{spec, {}});
  EXPECT_TRUE(refused.error().message.starts_with("at constraints[0]")) << refused.error().message;
  spec.constraints = {"lr > 0.09"};
  rig.Do(SubmitSweep{spec, {}});
  EXPECT_GT(std::get<double>(rig.trial("small-1/0").params.at("lr")), 0.09);
}

TEST(Search, SuggestionsAreWhatTheJournalGives_AlsoAfterARestart) {
  Rig rig;
  rig.Join("a", 1);
  wire::SweepSpec spec = SmallSpec(15);
  spec.sampler = "tpe";
  rig.Do(SubmitSweep{spec, {}});
  for (int i = 0; i < 15; ++i) {
    if (i == 12) {
      rig.Restart();
      rig.Join("a", 1);
    }
    const AttemptEpoch epoch = rig.RunOne("a");
    rig.Report("a", epoch, 0, 1, 0.01 * i);
    rig.Exit("a", epoch, wire::ExitCause::kSuccess, 10);
  }
  const SearchVerification verification = Verified(rig);
  EXPECT_EQ(verification.trials, 15);
  EXPECT_EQ(verification.verified, 15);
  EXPECT_TRUE(verification.differences.empty());
  const auto lines = ExplainSweep(rig.coordinator(), SweepId("small-1"), {rig.now(), 0});
  EXPECT_NE(wire::SerializeJson(*lines).find("Sampler tpe"), std::string::npos);
}

TEST(Search, ASuggestionThatWasChanged_IsFound) {
  Rig rig;
  rig.Join("a", 1);
  rig.Do(SubmitSweep{SmallSpec(3), {}});
  rig.RunOne("a");
  SearchVerifier verifier(SweepId("small-1"));
  const auto events = rig.journal().Load();
  for (Event event : *events) {
    if (auto* created = std::get_if<TrialCreated>(&event.body)) created->params["lr"] = 0.002;
    verifier.Read(event);
  }
  ASSERT_EQ(verifier.Finish()->differences.size(), 1U);
  EXPECT_EQ(verifier.Finish()->differences[0].trial, 0);
  EXPECT_EQ(SearchVerifier(SweepId("other")).Finish().error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace muster::coordinator
