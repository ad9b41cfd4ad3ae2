#include "tuner/samplers/gp.h"

#include <gtest/gtest.h>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

constexpr const char* kSquare = R"({"x":{"float":[-1,1]},"y":{"float":[-1,1]}})";

TEST(Gp, ASmoothBowl_IsSolvedToManyDigits) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    EXPECT_LT(Best(Search(SpecOf("gp", kBox, seed), 50, Sphere)), 1e-5) << seed;
  }
}

TEST(Gp, ASlantedValley_IsFollowed) {
  const auto rosenbrock = [](const Params& params) {
    const double x = 2 * At(params, "x"), y = 2 * At(params, "y");
    return 100 * std::pow(y - x * x, 2) + std::pow(1 - x, 2);
  };
  EXPECT_LT(Best(Search(SpecOf("gp", kSquare, 1), 70, rosenbrock)), 1e-2);
}

TEST(Gp, AnOptimumInACorner_IsMetExactly) {
  const auto slope = [](const Params& params) { return 3 * At(params, "x") - At(params, "y"); };
  EXPECT_EQ(Best(Search(SpecOf("gp", kSquare, 2), 25, slope)), -4);
}

TEST(Gp, Noise_IsAveragedOver) {
  Random noise(8);
  const auto loss = [&](const Params& params) { return Sphere(params) + noise.Normal(); };
  const History history = Search(SpecOf("gp", kBox, 4), 80, loss);
  double sum = 0;
  for (int i = 60; i < 80; ++i) sum += Sphere(history.At(i).params) / 20;
  EXPECT_LT(sum, 10) << "of the last 20; 56 at random";
}

TEST(Gp, ConditionalAndMixedSpace_FindsTheBetterBranch) {
  const History history = Search(SpecOf("gp", kMixed, 3), 60, MixedLoss);
  EXPECT_LT(Best(history), -0.25) << "the best is -0.4";
  int sgd = 0;
  for (int i = 40; i < 60; ++i) sgd += history.At(i).params.contains("dampening") ? 1 : 0;
  EXPECT_GE(sgd, 12) << "of the last 20";
}

TEST(Gp, FailuresBesideTheOptimum_AreAvoided) {
  const auto loss = [](const Params& params) {
    const double x = At(params, "x"), y = At(params, "y");
    return x < 0 ? NAN : (x - 0.05) * (x - 0.05) + y * y;
  };
  const History history = Search(SpecOf("gp", kSquare, 4), 80, loss);
  int failed = 0;
  for (const Trial& trial : history.trials()) failed += trial.broke() ? 1 : 0;
  EXPECT_LT(failed, 30) << "of 80";
  EXPECT_LT(Best(history), 1e-3);
}

TEST(Gp, Constraints_LeadToTheBestFeasiblePoint) {
  // x + y as large as it can be inside the circle of radius 1/2: sqrt(1/2).
  const SearchSpec spec = SpecOf("gp", kSquare, 5);
  const auto sampler = *MakeSampler(spec);
  History history;
  double best = 0;
  int feasible = 0;
  for (int i = 0; i < 60; ++i) {
    const Params params = sampler->Suggest(i, history)->params;
    const double x = At(params, "x"), y = At(params, "y"), circle = x * x + y * y - 0.25;
    history.Start(i, params);
    history.Finish(i, {TrialState::kComplete, {-x - y}, {circle}});
    if (circle <= 0) best = std::max(best, x + y);
    feasible += circle <= 0 ? 1 : 0;
  }
  EXPECT_GT(best, 0.69);
  EXPECT_GT(feasible, 20) << "of 60; a fifth of the square is feasible";
}

TEST(Gp, RunningTrials_AreKeptAwayFrom) {
  const SearchSpec spec = SpecOf("gp", kBox, 6);
  History history = Search(spec, 30, Sphere);
  const auto sampler = *MakeSampler(spec);
  std::vector<Params> asked;
  for (std::int64_t i = 30; i < 38; ++i) {
    asked.push_back(sampler->Suggest(i, history)->params);
    history.Start(i, asked.back());
    for (std::size_t k = 0; k + 1 < asked.size(); ++k) EXPECT_NE(asked[k], asked.back());
  }
}

TEST(Gp, AFinishedTrialThatRunsAgain_IsUnlearnt) {
  const SearchSpec spec = SpecOf("gp", kBox, 7);
  History history = Search(spec, 30, Sphere);
  const auto old = *MakeSampler(spec);
  (void)old->Suggest(30, history);
  history.Resume(12);
  history.Start(30, (*MakeSampler(spec))->Suggest(30, history)->params);
  EXPECT_EQ(old->Suggest(31, history)->params, (*MakeSampler(spec))->Suggest(31, history)->params);
  history.Finish(12, {TrialState::kComplete, {-100}, {}});
  const auto next = old->Suggest(31, history)->params;
  EXPECT_EQ(next, (*MakeSampler(spec))->Suggest(31, history)->params);
}

TEST(Gp, ImportedAndPrunedTrials_Count) {
  const SearchSpec spec = SpecOf("gp", kBox, 8);
  const History earlier = Search(SpecOf("random", kBox, 8), 25, Sphere);
  History history;
  for (const Trial& trial : earlier.trials()) {
    history.Import(trial.params, {TrialState::kComplete, trial.losses, {}}, 0.5);
  }
  const auto sampler = *MakeSampler(spec);
  EXPECT_EQ(sampler->Suggest(0, history)->by.substr(0, 4), "gp: ");
  EXPECT_NE(sampler->Suggest(0, history)->by, "gp: spread");
  for (int i = 0; i < 25; ++i) {
    const Params params = sampler->Suggest(i, history)->params;
    history.Start(i, params);
    const double loss = Sphere(params);
    if (loss > 10) {
      history.AddReport(i, 1, std::vector{loss + 1});
      history.Finish(i, {TrialState::kPruned, {}, {}});
    } else {
      history.Finish(i, {TrialState::kComplete, {loss}, {}});
    }
  }
  EXPECT_LT(Best(history), 1e-1);
}

TEST(Gp, AnImportOfLessWeight_PullsLess) {
  // Own trials have their optimum at 0.5, imports theirs at -0.5. How near are the suggestions to that of the imports?
  const auto mean_of = [](double weight) {
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const SearchSpec spec = SpecOf("gp", kSquare, seed);
      const auto bowl = [](const Params& params, double centre) {
        return std::pow(At(params, "x") - centre, 2) + std::pow(At(params, "y") - centre, 2);
      };
      History history;
      const History random = Search(SpecOf("random", kSquare, seed + 50), 40, Sphere);
      for (int i = 0; i < 20; ++i) {
        const Params& params = random.At(i).params;
        history.Import(params, {TrialState::kComplete, {bowl(params, -0.5)}, {}}, weight);
      }
      for (int i = 20; i < 40; ++i) {
        const Params& params = random.At(i).params;
        history.Start(i - 20, params);
        history.Finish(i - 20, {TrialState::kComplete, {bowl(params, 0.5)}, {}});
      }
      // The first three numbers, of the near and the wide model.
      for (int i = 20; i < 23; ++i) {
        const Params params = (*MakeSampler(spec))->Suggest(i, history)->params;
        sum += (At(params, "x") + At(params, "y")) / 24;
        history.Start(i, params);
      }
    }
    return sum;
  };
  const double light = mean_of(0.1), full = mean_of(1);
  RecordProperty("light", std::to_string(light));
  RecordProperty("full", std::to_string(full));
  EXPECT_GT(light, full + 0.1) << "towards the own optimum";
}

TEST(Gp, SeveralObjectives_AreRefused) {
  SearchSpec spec = SpecOf("gp", kBox, 0);
  spec.goals = {Goal::kMinimize, Goal::kMaximize};
  const auto sampler = MakeSampler(spec);
  ASSERT_FALSE(sampler.ok());
  EXPECT_EQ(sampler.error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::tuner
