#include "tuner/samplers/cmaes.h"

#include <gtest/gtest.h>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

double GoldenX(int g, int i, int j) {
  return ((g * g * 31 + i * i * 17 + i * (j + 1) * 41 + g * j * 13 + j * 7) % 101) / 101.0;
}
double GoldenLoss(const Vector& x) {
  double sum = x[0] * x[2];
  for (std::size_t k = 0; k < 3; ++k) {
    sum += static_cast<double>((k + 1) * (k + 1)) * (x[k] - 0.6) * (x[k] - 0.6);
  }
  return sum;
}

void Tell(CmaModel& model, int generation) {
  std::vector<CmaModel::Ranked> points;
  for (int i = 0; i < 7; ++i) {
    points.push_back(
        {{GoldenX(generation, i, 0), GoldenX(generation, i, 1), GoldenX(generation, i, 2)}});
  }
  std::ranges::stable_sort(points, {}, [](const auto& p) { return GoldenLoss(p.x); });
  model.Update(points);
}

void ExpectNear(const Vector& seen, const Vector& wanted) {
  ASSERT_EQ(seen.size(), wanted.size());
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], wanted[i], 1e-10) << i;
}

// The cmaes package, 0.13.1: CMA(mean=[.3, .5, .7], sigma=.25, population_size=7), told the same points.
TEST(CmaModel, UpdatesAsTheCmaesPackage) {
  CmaModel model({0.3, 0.5, 0.7}, 0.25);
  Tell(model, 0);
  ExpectNear(model.mean(), {0.3510164693007331, 0.31043593854395474, 0.3913877480225288});
  EXPECT_NEAR(model.sigma(), 0.2586262494255911, 1e-10);
  ExpectNear(model.covariance(), {0.9292141826481214, -0.03097132804440132, -0.07251689935764889,
                                  -0.03097132804440132, 0.9418511995940053, 0.10137953733573499,
                                  -0.07251689935764889, 0.10137953733573499, 1.2013960387957667});
  ExpectNear(model.p_sigma(), {0.24850171147503314, -0.9233683622498091, -1.5032532405660555});
  ExpectNear(model.p_c(), {0.27498974364179146, -1.0217910682177607, -1.6634864234868014});
  for (int g = 1; g < 6; ++g) Tell(model, g);
  ExpectNear(model.mean(), {0.30495135019534214, 0.38673589208466147, 0.4685204339739808});
  EXPECT_NEAR(model.sigma(), 0.1653454219977354, 1e-10);
  ExpectNear(model.covariance(), {0.7780781140720663, -0.1165174167384863, 0.005175728300373404,
                                  -0.1165174167384863, 0.6860508478801045, 0.1990483652760721,
                                  0.005175728300373418, 0.1990483652760721, 0.9446305688589832});
  ExpectNear(model.p_sigma(), {-0.5594670868883029, -0.6065601101295317, -1.1296419742485189});
  ExpectNear(model.p_c(), {-0.3360269826281257, -0.49127198867585037, -1.205658797286119});
}

TEST(CmaModel, WhitenedUndoesColored) {
  CmaModel model({0.3, 0.5, 0.7}, 0.25);
  for (int g = 0; g < 4; ++g) Tell(model, g);
  const Vector z{0.4, -1.5, 2};
  ExpectNear(model.Whitened(model.Colored(z)), z);
}

TEST(CmaModel, AnInjectedPointFarAwayMovesNoFurtherThanItsClippedLength) {
  const auto moved = [](bool injected) {
    CmaModel model({0.5, 0.5}, 0.01);
    model.Update({{{100, 0.5}, injected}, {{0.5, 0.5}, false}});
    return model;
  };
  EXPECT_GT(moved(false).mean()[0], 90);
  // One of two points recombines: the clipped step is sqrt(2) + 2 * 2 / 4 deviations long.
  EXPECT_NEAR(moved(true).mean()[0], 0.5 + 0.01 * (std::sqrt(2.0) + 1), 1e-12);
  EXPECT_LT(moved(true).sigma(), 0.01 * std::exp(1) + 1e-12);
}

double Ellipsoid(const Params& params) {
  double sum = 0, scale = 1;
  for (const auto& [name, value] : params) {
    sum += scale * std::pow(std::get<double>(value) - 1.3, 2);
    scale *= 10;
  }
  return sum;
}

TEST(Cmaes, SolvesAnEllipsoid_AlsoWithManyWorkers) {
  for (const auto& [workers, trials, bound] :
       {std::tuple(1, 120, 1e-6), std::tuple(16, 250, 1e-4), std::tuple(64, 600, 1e-3)}) {
    SearchSpec spec = SpecOf("cmaes", kBox, 2);
    spec.parallel = workers;
    EXPECT_LT(Best(Search(spec, trials, Ellipsoid, workers)), bound) << workers << " workers";
  }
}

// Bumps, on which the quadratic is of no use.
double Rugged(const Params& params) {
  double sum = 0;
  for (const auto& [name, value] : params) {
    const double x = std::get<double>(value) - 0.7;
    sum += x * x + 5 * (1 - std::cos(6 * x));
  }
  return sum;
}

TEST(Cmaes, UsesNineTenthsOfTheTrialsAtSixtyFourWorkers) {
  for (const auto& loss : {Objective(Ellipsoid), Objective(Rugged)}) {
    SearchSpec spec = SpecOf("cmaes", kBox, 4);
    spec.parallel = 64;
    CmaesSampler sampler(spec);
    const History history = Search(sampler, 400, loss, 64);
    EXPECT_GE(sampler.UsedShare(history), 0.9);
  }
}

TEST(Cmaes, RestartsWhenItHasConverged) {
  CmaesSampler sampler(SpecOf("cmaes", kBox, 4));
  const History history = Search(sampler, 600, Sphere);
  EXPECT_LT(Best(history), 1e-10);
  EXPECT_NE(sampler.Explain(history).find("of descent "), std::string::npos);
  EXPECT_EQ(sampler.Explain(history).find("of descent 0"), std::string::npos)
      << sampler.Explain(history);
}

TEST(Cmaes, BeginsFromTheTrialsOfOthers) {
  const SearchSpec spec = SpecOf("cmaes", kBox, 4);
  History history;
  Random random(7);
  for (std::int64_t n = 0; n < 60; ++n) {
    Params params;
    for (const char* name : {"a", "b", "c", "d"}) params[name] = 1 + 0.2 * random.Normal();
    history.Start(n, params);
    history.Finish(n, {TrialState::kComplete, {Sphere(params)}, {}});
  }
  const auto next = (*MakeSampler(spec))->Suggest(60, history);
  ASSERT_TRUE(next.ok());
  EXPECT_LT(Sphere(next->params), 1);
}

TEST(Cmaes, ATrialThatIsRunAgainTeachesItsLastEnd) {
  const SearchSpec spec = SpecOf("cmaes", kBox, 4);
  auto sampler = *MakeSampler(spec);
  History history = Search(*sampler, 40, Sphere);
  EXPECT_TRUE(sampler->Suggest(40, history).ok());
  history.Resume(20);
  history.Finish(20, {TrialState::kComplete, {-7}, {}});
  const auto now = sampler->Suggest(40, history);
  EXPECT_EQ(now->params, (*MakeSampler(spec))->Suggest(40, history)->params);
}

TEST(Cmaes, FindsGoodChoicesAndIntegers) {
  double cmaes = 0, random = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    cmaes += Best(Search(SpecOf("cmaes", kMixed, seed), 150, MixedLoss));
    random += Best(Search(SpecOf("random", kMixed, seed), 150, MixedLoss));
  }
  EXPECT_LT(cmaes / 10, random / 10 - 0.1);
}

TEST(Cmaes, KeepsMovingIntegersWhoseDeviationIsBelowAStep) {
  const auto loss = [](const Params& p) {
    return std::pow(At(p, "n") - 17, 2) + std::pow(At(p, "x") - 0.3, 2);
  };
  const SearchSpec spec = SpecOf("cmaes", R"({"n":{"int":[0,40]},"x":{"float":[0,1]}})", 3);
  EXPECT_LT(Best(Search(spec, 120, loss)), 1e-4);
}

TEST(Cmaes, RefusesWhatItCannotSearch) {
  SearchSpec two = SpecOf("cmaes", kBox, 0);
  two.goals = {Goal::kMinimize, Goal::kMinimize};
  EXPECT_EQ(MakeSampler(two).error().message,
            "cmaes searches for one objective; use sampler nsga2 or tpe for several");
  EXPECT_EQ(MakeSampler(SpecOf("cmaes", R"({"a":{"choice":["x","y"]}})", 0)).error().message,
            "cmaes needs a float or an int with more than one value; use sampler tpe");
}

}  // namespace
}  // namespace muster::tuner
