#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <set>

#include "tuner/search.h"

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Parse(const char* text) {
  return *ParseSpace(boost::json::parse(text).as_object());
}

/// Runs a search one trial at a time and returns its history.
History Search(const char* sampler_name, const char* space, std::uint64_t seed, int trials,
               double (*loss)(const Params&)) {
  auto sampler = *MakeSampler(sampler_name, Parse(space), seed);
  History history{.maximize = false};
  for (int i = 0; i < trials; ++i) {
    auto params = sampler->Suggest(i, history);
    if (!params.ok()) break;
    history.trials.push_back({i, *params, TrialState::kComplete, loss(*params), {}});
  }
  return history;
}

double Best(const History& history) {
  double best = INFINITY;
  for (const auto& trial : history.trials) best = std::min(best, *trial.value);
  return best;
}

constexpr const char* kSphere =
    R"({"a":{"float":[-5,5]},"b":{"float":[-5,5]},"c":{"float":[-5,5]},"d":{"float":[-5,5]}})";
double Sphere(const Params& params) {
  double sum = 0;
  for (const auto& [name, value] : params) sum += std::pow(std::get<double>(value) - 1, 2);
  return sum;
}

TEST(Tpe, BeatsRandomOnASmoothFunction) {
  double tpe = 0, random = 0;
  constexpr int kSeeds = 10;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    tpe += std::log10(Best(Search("tpe", kSphere, seed, 80, Sphere)));
    random += std::log10(Best(Search("random", kSphere, seed, 80, Sphere)));
  }
  EXPECT_LT(tpe / kSeeds, random / kSeeds - 0.5) << "decades";
}

TEST(Tpe, FindsTheBetterBranchOfAConditionalSpace) {
  constexpr const char* kSpace =
      R"({"o":{"choice":["adamw","sgd"]},"m":{"float":[0,1],"when":{"o":"sgd"}},"x":{"float":[0,1]}})";
  const auto loss = [](const Params& params) {
    if (!params.contains("m")) return 1.0;
    return std::pow(std::get<double>(params.at("m")) - 0.9, 2) + std::get<double>(params.at("x"));
  };
  int sgd = 0;
  const History history = Search("tpe", kSpace, 3, 60, loss);
  for (std::size_t i = 30; i < 60; ++i) sgd += history.trials[i].params.contains("m") ? 1 : 0;
  EXPECT_GE(sgd, 25);
  EXPECT_LT(Best(history), 0.05);
}

TEST(Samplers, TheSameHistoryGivesTheSameSuggestion) {
  const History history = Search("tpe", kSphere, 1, 40, Sphere);
  for (const char* name : {"random", "tpe", "auto"}) {
    // A fresh sampler, as after a restart.
    const auto a = (*MakeSampler(name, Parse(kSphere), 1))->Suggest(40, history);
    const auto b = (*MakeSampler(name, Parse(kSphere), 1))->Suggest(40, history);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(*a, *b) << name;
    const auto other = (*MakeSampler(name, Parse(kSphere), 2))->Suggest(40, history);
    EXPECT_NE(*a, *other) << name;
  }
}

TEST(Samplers, AFiniteSpaceIsCoveredOnceThenExhausted) {
  constexpr const char* kSpace = R"({"a":{"int":[0,4]},"b":{"choice":["x","y","z"]}})";
  for (const char* name : {"random", "tpe"}) {
    const History history =
        Search(name, kSpace, 9, 100, [](const Params& p) { return double(p.at("a").index()); });
    std::set<Params> points;
    for (const auto& trial : history.trials) points.insert(trial.params);
    EXPECT_EQ(history.trials.size(), 15u) << name;
    EXPECT_EQ(points.size(), 15u) << name;
    const auto next = (*MakeSampler(name, Parse(kSpace), 9))->Suggest(15, history);
    ASSERT_FALSE(next.ok());
    EXPECT_EQ(next.error().kind, ErrorKind::kResource);
  }
}

TEST(Tpe, FailuresAreAvoided) {
  // The half x < 0 fails; the optimum lies just right of it.
  auto sampler = *MakeSampler("tpe", Parse(R"({"x":{"float":[-1,1]},"y":{"float":[-1,1]}})"), 4);
  History history{.maximize = false};
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    const Params params = *sampler->Suggest(i, history);
    const double x = std::get<double>(params.at("x")), y = std::get<double>(params.at("y"));
    TrialHistory trial{i, params, TrialState::kComplete, (x - 0.05) * (x - 0.05) + y * y, {}};
    if (x < 0) {
      trial.state = TrialState::kFailed;
      trial.value.reset();
      failed += i >= 40 ? 1 : 0;
    }
    history.trials.push_back(trial);
  }
  EXPECT_LT(failed, 30) << "of the last 60";
}

TEST(MakeSampler, UnknownName_ListsTheKnown) {
  const auto sampler = MakeSampler("bayes", Parse("{}"), 0);
  ASSERT_FALSE(sampler.ok());
  EXPECT_EQ(sampler.error().message, "unknown sampler 'bayes'; wanted one of auto, random, tpe");
}

}  // namespace
}  // namespace muster::tuner
