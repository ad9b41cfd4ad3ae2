#include <gtest/gtest.h>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

TEST(Tpe, BeatsRandomOnASmoothFunction) {
  double tpe = 0, random = 0;
  constexpr int kSeeds = 10;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    tpe += std::log10(Best(Search(SpecOf("tpe", kBox, seed), 80, Sphere)));
    random += std::log10(Best(Search(SpecOf("random", kBox, seed), 80, Sphere)));
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
  const History history = Search(SpecOf("tpe", kSpace, 3), 60, loss);
  for (int i = 30; i < 60; ++i) sgd += history.At(i).params.contains("m") ? 1 : 0;
  EXPECT_GE(sgd, 25);
  EXPECT_LT(Best(history), 0.05);
}

TEST(Tpe, FailuresAreAvoided) {
  // The half x < 0 fails; the optimum lies just right of it.
  const auto loss = [](const Params& params) {
    const double x = At(params, "x"), y = At(params, "y");
    return x < 0 ? NAN : (x - 0.05) * (x - 0.05) + y * y;
  };
  const History history =
      Search(SpecOf("tpe", R"({"x":{"float":[-1,1]},"y":{"float":[-1,1]}})", 4), 100, loss);
  int failed = 0;
  for (int i = 40; i < 100; ++i) failed += history.At(i).broke() ? 1 : 0;
  EXPECT_LT(failed, 30) << "of the last 60";
}

// A lucky trial must not hold a search where it is, however sharp the model that it fits into.
TEST(Samplers, UnderNoiseAsLargeAsTheSlope_TheyStillComeDown) {
  for (const char* name : {"tpe", "cmaes", "gp"}) {
    double late = 0;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const Random noise(seed, 7);
      std::uint64_t told = 0;
      const auto loss = [&](const Params& params) {
        Random draw = noise;
        draw.Seek(2 * told++);
        return Sphere(params) + 3 * draw.Normal();
      };
      const History history = Search(SpecOf(name, kBox, seed), 150, loss);
      for (int i = 120; i < 150; ++i) late += Sphere(history.At(i).params) / (4 * 30);
    }
    // A random point has 37 on average.
    EXPECT_LT(late, 6) << name;
  }
}

TEST(MakeSampler, UnknownName_ListsTheKnown) {
  const auto sampler = MakeSampler(SpecOf("bayes", "{}", 0));
  ASSERT_FALSE(sampler.ok());
  EXPECT_TRUE(sampler.error().message.starts_with("unknown sampler 'bayes'; wanted one of auto, "))
      << sampler.error().message;
}

}  // namespace
}  // namespace muster::tuner
