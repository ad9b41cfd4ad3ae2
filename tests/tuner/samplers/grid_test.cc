#include <gtest/gtest.h>

#include <set>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

constexpr const char* kGrid =
    R"({"a":{"int":[2,5]},"lr":{"float":[0,1],"step":0.25},"b":{"choice":["x","y"]},
        "w":{"int":[16,128],"log":true,"q":16}})";

std::set<Params> Distinct(const History& history) {
  std::set<Params> points;
  for (const auto& trial : history.trials()) points.insert(trial.params);
  return points;
}

TEST(Grid, TriesEveryPointOnceThenSaysSo) {
  const SearchSpec spec = SpecOf("grid", kGrid, 4);
  auto sampler = *MakeSampler(spec);
  const History history = Search(*sampler, 1000, [](const Params&) { return 1.0; }, 5);
  EXPECT_EQ(history.size(), 4 * 5 * 2 * 8);
  EXPECT_EQ(Distinct(history).size(), 320U);
  for (const auto& trial : history.trials()) EXPECT_TRUE(spec.space->Check(trial.params).ok());
  const auto next = sampler->Suggest(320, history);
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.error().kind, ErrorKind::kResource);
  EXPECT_EQ(next.error().message, "space exhausted: each of its points was tried once");
}

TEST(Grid, ItsOrderIsTheSeeds_AndAnInstanceMadeLaterGoesOn) {
  const auto loss = [](const Params&) { return 1.0; };
  const History one = Search(SpecOf("grid", kGrid, 1), 50, loss);
  EXPECT_NE(one.At(0).params, Search(SpecOf("grid", kGrid, 2), 1, loss).At(0).params);
  const History again = Search(SpecOf("grid", kGrid, 1), 49, loss);
  EXPECT_EQ((*MakeSampler(SpecOf("grid", kGrid, 1)))->Suggest(49, again)->params,
            one.At(49).params);
}

TEST(Grid, AnEarlyStopHasLookedEverywhereALittle) {
  const History history = Search(SpecOf("grid", kGrid, 1), 60, [](const Params&) { return 1.0; });
  std::set<double> a, w;
  for (const auto& trial : history.trials()) {
    a.insert(At(trial.params, "a"));
    w.insert(At(trial.params, "w"));
  }
  EXPECT_EQ(a.size(), 4U);
  EXPECT_EQ(w.size(), 8U);
}

TEST(Grid, WhatWasEnqueuedIsNotRepeated) {
  const SearchSpec spec = SpecOf("grid", R"({"a":{"int":[0,9]}})", 0);
  auto sampler = *MakeSampler(spec);
  History history;
  for (std::int64_t n = 0; n < 4; ++n) history.Start(n, {{"a", 2 * n}});
  for (std::int64_t n = 4; n < 10; ++n) {
    const auto next = sampler->Suggest(n, history);
    ASSERT_TRUE(next.ok());
    history.Start(n, next->params);
  }
  EXPECT_EQ(Distinct(history).size(), 10U);
}

TEST(Grid, ConditionalSpaces_InactiveParametersMakeNoPoints) {
  const SearchSpec spec =
      SpecOf("grid", R"({"o":{"choice":["adamw","sgd"]},"m":{"int":[1,5],"when":{"o":"sgd"}}})", 3);
  const History history = Search(spec, 100, [](const Params&) { return 1.0; });
  EXPECT_EQ(history.size(), 6);
  EXPECT_EQ(Distinct(history).size(), 6U);
}

TEST(Grid, AConstrainedSpaceIsCoveredOnce_AlsoByThoseThatDraw) {
  SearchSpec spec{.space = *ParseSpace(
                      boost::json::parse(R"({"a":{"int":[0,4]},"b":{"int":[0,4]}})").as_object(),
                      {"a + b <= 4"}),
                  .seed = 3};
  for (const char* name : {"grid", "cmaes", "nsga2", "sobol"}) {
    spec.sampler = name;
    const History history = Search(spec, 100, [](const Params& p) { return At(p, "a"); }, 3);
    EXPECT_EQ(history.size(), 15) << name;
    EXPECT_EQ(Distinct(history).size(), 15U) << name;
  }
}

TEST(Grid, HugeSpacesAreNotListed) {
  const SearchSpec spec = SpecOf("grid", R"({"a":{"int":[0,999999]},"b":{"int":[0,999999]}})", 3);
  EXPECT_EQ(Distinct(Search(spec, 500, [](const Params&) { return 1.0; })).size(), 500U);
}

TEST(Grid, RefusesWhatItCannotList) {
  const auto refusal = [](const char* space) {
    return MakeSampler(SpecOf("grid", space, 0)).error().message;
  };
  EXPECT_EQ(
      refusal(R"({"lr":{"float":[0,1]}})"),
      "at lr: a grid cannot list a float without a step; give it a `step`, or use sampler sobol");
  EXPECT_EQ(refusal(R"({"a":{"int":[0,999999999]},"b":{"int":[0,999999999]}})"),
            "a grid of more than 2^53 points; use sampler sobol");
}

}  // namespace
}  // namespace muster::tuner
