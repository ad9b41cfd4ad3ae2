#include "tuner/samplers/auto.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

std::string By(const SearchSpec& spec, const History& history) {
  return AutoSampler(spec).Suggest(history.size(), history)->by;
}
std::string Why(const SearchSpec& spec, const History& history) {
  return AutoSampler(spec).Explain(history);
}

TEST(Auto, AShortSearch_IsAGaussianProcess) {
  const SearchSpec spec = SpecOf("auto", kMixed, 1);
  const History history = Search(SpecOf("random", kMixed, 1), 20, MixedLoss);
  EXPECT_TRUE(By(spec, history).starts_with("gp")) << By(spec, history);
  EXPECT_TRUE(Why(spec, history).starts_with("auto: gp, because 20 trials have ended of the "))
      << Why(spec, history);
}

TEST(Auto, ALongSearch_GoesOnWithAnotherSampler) {
  const SearchSpec spec = SpecOf("auto", kBox, 1);
  const History history = Search(SpecOf("random", kBox, 1), 500, Sphere);
  EXPECT_FALSE(By(spec, history).starts_with("gp")) << By(spec, history);
  EXPECT_NE(Why(spec, history).find("because 500 trials have ended"), std::string::npos);
}

TEST(Auto, ManyAtOnce_ManyObjectivesOrStoppingByTpe_AreNotGp) {
  const History history = Search(SpecOf("random", kBox, 1), 20, Sphere);
  SearchSpec crowd = SpecOf("auto", kBox, 1);
  crowd.parallel = 1000;
  EXPECT_FALSE(By(crowd, history).starts_with("gp"));
  EXPECT_NE(Why(crowd, history).find("1000 trials at once"), std::string::npos);
  SearchSpec bohb = SpecOf("auto", kBox, 1);
  bohb.stop = boost::json::parse(R"({"bohb":{"max":27}})").as_object();
  EXPECT_TRUE(Why(bohb, history).starts_with("auto: tpe, because ")) << Why(bohb, history);
  SearchSpec both = SpecOf("auto", kBox, 1);
  both.goals = {Goal::kMinimize, Goal::kMinimize};
  EXPECT_TRUE(Why(both, History(both.goals)).find("2 objectives") != std::string::npos);
}

TEST(Auto, ATenthOfFailures_HandsOverToTpe) {
  History history;
  for (int i = 0; i < 60; ++i) {
    history.Start(i, {{"a", 0.1 * i}, {"b", 0.0}, {"c", 0.0}, {"d", 0.0}});
    const bool failed = i % 5 == 0;
    history.Finish(i, failed ? Outcome{TrialState::kFailed, {}, {}}
                             : Outcome{TrialState::kComplete, {1.0 * i}, {}});
    auto sampler = *MakeSampler(SpecOf("auto", kBox, 1));
    const bool tpe = sampler->Explain(history).starts_with("auto: tpe");
    EXPECT_EQ(tpe, i >= 35) << i << ": eight have failed after trial 35";
  }
}

TEST(Auto, FromSamplerToSampler_ItIsAFunctionOfTheHistory) {
  const SearchSpec spec = SpecOf("auto", R"({"x":{"float":[0,1]},"o":{"choice":["a","b"]}})", 3);
  const auto loss = [](const Params& params) { return At(params, "x"); };
  const History history =
      Search(SpecOf("random", R"({"x":{"float":[0,1]},"o":{"choice":["a","b"]}})", 3), 410, loss);
  // The same history change by change, asked by one instance all along the border and by fresh ones.
  AutoSampler old(spec);
  History replayed;
  for (const Change& change : history.changes()) {
    const Trial& trial = history.At(change.trial);
    if (change.kind == ChangeKind::kStart) {
      if (change.trial >= 396 && change.trial < 404) {
        EXPECT_EQ(old.Suggest(change.trial, replayed)->params,
                  AutoSampler(spec).Suggest(change.trial, replayed)->params)
            << change.trial;
      }
      replayed.Start(change.trial, trial.params);
    } else {
      replayed.Finish(change.trial, {trial.state, trial.losses, {}});
    }
  }
}

}  // namespace
}  // namespace muster::tuner
