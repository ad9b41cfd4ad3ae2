// What every scheduler keeps, whatever it decides.
#include <gtest/gtest.h>

#include <set>

#include "tests/tuner/schedulers/schedule_rig.h"

namespace muster::tuner {
namespace {

struct Named {
  const char* name;
  const char* stop;
};

class SchedulerContract : public testing::TestWithParam<Named> {
 protected:
  static Play Rough(std::uint64_t seed) {
    return {.trials = 70,
            .workers = 6,
            .most_jump = 4,
            .failing = 0.01,
            .lost = 0.02,
            .rewinding = 0.02,
            .nan = 0.03,
            .seed = seed};
  }
};

/// Plays the history back and asks, wherever something was asked, a scheduler made there and then.
void ExpectReplay(const SearchSpec& spec, const Played& played) {
  History again(spec.goals);
  std::size_t changes = 0;
  for (const Said& said : played.said) {
    while (again.position() < said.position) {
      Again(played.history.changes()[changes++], played.history, again);
    }
    const auto fresh = SchedulerOf(spec);
    if (said.judged) {
      ASSERT_EQ(fresh->Judge(said.asked, again), said.verdict) << "at " << said.position;
      continue;
    }
    const Choice choice = fresh->Choose(said.asked, again);
    ASSERT_EQ(choice.kind, said.choice.kind) << "at " << said.position;
    ASSERT_EQ(choice.trial, said.choice.trial) << "at " << said.position;
    ASSERT_EQ(choice.step, said.choice.step) << "at " << said.position;
    ASSERT_EQ(choice.params, said.choice.params) << "at " << said.position;
  }
}

TEST_P(SchedulerContract, AnswersAreAFunctionOfTheHistory) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    for (const std::int64_t budget : {0, 70}) {
      const SearchSpec spec = StopSpec(GetParam().stop, budget);
      auto scheduler = SchedulerOf(spec);
      ExpectReplay(spec, PlayOut(spec, *scheduler, Rough(seed)));
    }
  }
}

TEST_P(SchedulerContract, TheSameWithTwoObjectives) {
  const SearchSpec spec = StopSpec(GetParam().stop, 70, {Goal::kMaximize, Goal::kMinimize});
  auto scheduler = SchedulerOf(spec);
  ExpectReplay(spec, PlayOut(spec, *scheduler, Rough(5)));
}

TEST_P(SchedulerContract, OnlyWhatNeedsItsCheckpointIsResumedOrCloned) {
  const SearchSpec spec = StopSpec(GetParam().stop, 70);
  auto scheduler = SchedulerOf(spec);
  const Played played = PlayOut(spec, *scheduler, Rough(6));
  History again(spec.goals);
  auto fresh = SchedulerOf(spec);
  std::size_t changes = 0;
  std::set<std::int64_t> given_up;
  for (const Said& said : played.said) {
    while (again.position() < said.position) {
      const Change& change = played.history.changes()[changes++];
      Again(change, played.history, again);
      if (change.kind != ChangeKind::kResume) continue;
      given_up.erase(change.trial);
    }
    for (std::int64_t number = 0; number < again.size(); ++number) {
      if (again.At(number).state == TrialState::kRunning) continue;
      if (!fresh->NeedsCheckpoint(number, again)) given_up.insert(number);
    }
    const bool goes_on = !said.judged && (said.choice.kind == Choice::Kind::kResume ||
                                          said.choice.kind == Choice::Kind::kClone);
    if (!goes_on) continue;
    EXPECT_FALSE(given_up.contains(said.choice.trial)) << "trial " << said.choice.trial;
    const TrialState state = again.At(said.choice.trial).state;
    EXPECT_TRUE(state == TrialState::kPaused ||
                (state == TrialState::kRunning && said.choice.kind == Choice::Kind::kClone));
  }
}

TEST_P(SchedulerContract, ASearchComesToItsEnd) {
  for (const std::int64_t workers : {1, 3, 200}) {
    const SearchSpec spec = StopSpec(GetParam().stop, 50);
    auto scheduler = SchedulerOf(spec);
    const Played played = PlayOut(spec, *scheduler, {.trials = 50, .workers = workers, .seed = 3});
    EXPECT_EQ(played.history.size(), 50);
    std::int64_t complete = 0;
    for (const Trial& trial : played.history.trials()) {
      EXPECT_NE(trial.state, TrialState::kRunning);
      complete += trial.state == TrialState::kComplete ? 1 : 0;
      // What is paused has no way on, so nobody needs its checkpoint.
      if (trial.state != TrialState::kPaused) continue;
      EXPECT_FALSE(scheduler->NeedsCheckpoint(trial.number, played.history));
    }
    EXPECT_GT(complete, 0);
  }
}

TEST_P(SchedulerContract, NothingButNaNDoesNoHarm) {
  const SearchSpec spec = StopSpec(GetParam().stop, 40);
  auto scheduler = SchedulerOf(spec);
  EXPECT_EQ(PlayOut(spec, *scheduler, {.trials = 40, .nan = 1}).history.size(), 40);
}

TEST_P(SchedulerContract, ExplainsItself) {
  const SearchSpec spec = StopSpec(GetParam().stop, 70);
  auto scheduler = SchedulerOf(spec);
  const Played played = PlayOut(spec, *scheduler, Rough(8));
  EXPECT_EQ(SchedulerOf(spec)->Explain(played.history), scheduler->Explain(played.history));
  EXPECT_NE(scheduler->Explain(played.history).find_first_of("0123456789"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Schedulers, SchedulerContract,
    testing::Values(
        Named{"asha", R"({"asha":{"max":27}})"},
        Named{"promote", R"({"asha":{"max":27,"mode":"promote"}})"},
        Named{"hyperband", R"({"hyperband":{"max":27}})"},
        Named{"hyperbandPromote", R"({"hyperband":{"max":27,"eta":2,"mode":"promote"}})"},
        Named{"bohb", R"({"bohb":{"max":27}})"}, Named{"median", R"({"median":{}})"},
        Named{"percentile", R"({"percentile":{"percentile":60,"startup_trials":1}})"},
        Named{"patience", R"({"patience":{"reports":8}})"},
        Named{"threshold", R"({"threshold":{"lower":-3,"upper":3}})"},
        Named{"pbt", R"({"pbt":{"interval":3,"population":6,"max":27}})"},
        Named{"several",
              R"({"patience":{"steps":20},"asha":{"max":27,"mode":"promote"},"median":{}})"}),
    [](const auto& named) { return std::string(named.param.name); });

}  // namespace
}  // namespace muster::tuner
