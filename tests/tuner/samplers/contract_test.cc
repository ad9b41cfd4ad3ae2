// What every sampler keeps, whatever it believes of the objective.
#include <gtest/gtest.h>

#include <set>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

class SamplerContract : public testing::TestWithParam<const char*> {};

/// Plays a history back change by change and asks, before each start, a sampler made there and then.
void ExpectReplay(const SearchSpec& spec, const History& history, int every) {
  History replayed;
  for (const Change& change : history.changes()) {
    if (change.kind == ChangeKind::kStart) {
      if (change.trial % every == 0) {
        const auto again = (*MakeSampler(spec))->Suggest(change.trial, replayed);
        ASSERT_TRUE(again.ok()) << again.error().message;
        ASSERT_EQ(again->params, history.At(change.trial).params) << "trial " << change.trial;
      }
      replayed.Start(change.trial, history.At(change.trial).params);
    } else {
      const Trial& trial = history.At(change.trial);
      replayed.Finish(change.trial, {trial.state, trial.losses, {}});
    }
  }
}

TEST_P(SamplerContract, SuggestionsAreAFunctionOfTheHistory_AlsoWithManyWorkers) {
  for (const int workers : {1, 16}) {
    const SearchSpec spec = SpecOf(GetParam(), kMixed, 5);
    ExpectReplay(spec, Search(spec, 90, MixedLoss, workers), 7);
    const SearchSpec box = SpecOf(GetParam(), kBox, 6);
    ExpectReplay(box, Search(box, 90, Sphere, workers), 7);
  }
}

TEST_P(SamplerContract, SuggestionsLieInTheSpace) {
  const SearchSpec spec = SpecOf(GetParam(), kMixed, 8);
  const History history = Search(spec, 80, MixedLoss, 4);
  for (const Trial& trial : history.trials()) {
    const Status status = spec.space->Check(trial.params);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
}

TEST_P(SamplerContract, AnotherSeedIsAnotherSearch) {
  const History a = Search(SpecOf(GetParam(), kBox, 1), 30, Sphere);
  const History b = Search(SpecOf(GetParam(), kBox, 2), 30, Sphere);
  EXPECT_NE(a.At(3).params, b.At(3).params);
  EXPECT_NE(a.At(29).params, b.At(29).params);
}

TEST_P(SamplerContract, FailuresAndInfinitiesDoNoHarm) {
  const auto broken = [](const Params& params) {
    const double x = At(params, "a");
    return x < -2 ? NAN : x < 0 ? INFINITY : x > 4 ? -1e300 : x;
  };
  const History history = Search(SpecOf(GetParam(), kBox, 3), 80, broken, 3);
  EXPECT_EQ(history.size(), 80);
}

TEST_P(SamplerContract, NothingButFailuresDoesNoHarm) {
  const auto never = [](const Params&) { return NAN; };
  EXPECT_EQ(Search(SpecOf(GetParam(), kMixed, 3), 60, never, 3).size(), 60);
}

TEST_P(SamplerContract, AFiniteSpaceIsCoveredOnceThenExhausted) {
  const SearchSpec spec =
      SpecOf(GetParam(), R"({"a":{"int":[0,4]},"b":{"choice":["x","y","z"]}})", 9);
  auto sampler = *MakeSampler(spec);
  const History history = Search(*sampler, 100, [](const Params& p) { return At(p, "a"); }, 2);
  std::set<Params> points;
  for (const auto& trial : history.trials()) points.insert(trial.params);
  EXPECT_EQ(history.size(), 15);
  EXPECT_EQ(points.size(), 15U);
  const auto next = sampler->Suggest(15, history);
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.error().kind, ErrorKind::kResource);
}

TEST_P(SamplerContract, OneValueAndConstantObjectivesDoNoHarm) {
  const SearchSpec spec =
      SpecOf(GetParam(), R"({"a":{"choice":["only"]},"x":{"float":[0,1]},"n":{"int":[3,3]}})", 2);
  EXPECT_EQ(Search(spec, 40, [](const Params&) { return 1.0; }).size(), 40);
}

TEST_P(SamplerContract, ExplainsItself) {
  auto sampler = *MakeSampler(SpecOf(GetParam(), kBox, 1));
  EXPECT_FALSE(sampler->Explain(Search(*sampler, 20, Sphere)).empty());
}

INSTANTIATE_TEST_SUITE_P(Samplers, SamplerContract,
                         testing::Values("random", "cmaes", "gp", "nsga2", "sobol", "tpe", "auto"),
                         [](const auto& named) { return std::string(named.param); });

}  // namespace
}  // namespace muster::tuner
