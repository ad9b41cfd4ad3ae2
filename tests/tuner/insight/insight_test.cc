// Looking back, beside Optuna's PED-ANOVA and scikit-learn's tree on the same trials (scripts/golden_insight made
// tests/golden/tuner/insight.json), and functions whose answers are known.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "tests/tuner/search_rig.h"
#include "tuner/insight/best.h"
#include "tuner/insight/forest.h"
#include "tuner/insight/ped_anova.h"

namespace muster::tuner {
namespace {

boost::json::object Golden() {
  std::ifstream file(MUSTER_TEST_GOLDEN "/insight.json");
  std::stringstream text;
  text << file.rdbuf();
  return boost::json::parse(text.str()).as_object();
}

Outcome Complete(std::vector<double> values) {
  return {TrialState::kComplete, std::move(values), {}};
}

TEST(PedAnova, OptunasHistories_GiveOptunasImportances) {
  const auto golden = Golden();
  for (const auto& entry : golden.at("ped_anova").as_array()) {
    const auto space = *ParseSpace(entry.at("space").as_object());
    History history;
    for (const auto& trial : entry.at("trials").as_array()) {
      const auto params = *ParamsFromJson(trial.at("params").as_object());
      ASSERT_TRUE(space->Check(params).ok());
      history.Import(params, Complete({trial.at("value").to_number<double>()}), 1);
    }
    const auto importance =
        PedAnova(*space, Gather(*space, history, 0), {.target = entry.at("target").as_double()});
    for (const auto& wanted : entry.at("importance").as_object()) {
      const double value = wanted.value().to_number<double>();
      const auto found =
          std::ranges::find(space->parameters(), std::string(wanted.key()), &Parameter::name);
      ASSERT_NE(found, space->parameters().end());
      EXPECT_NEAR(importance[static_cast<std::size_t>(found - space->parameters().begin())], value,
                  1e-9 * std::max(1.0, value))
          << std::string(wanted.key()) << " of " << entry.at("trials").as_array().size();
    }
  }
}

TEST(PedAnova, TooFewTrials_IsZero) {
  const auto space = Parse(kBox);
  EXPECT_EQ(PedAnova(*space, {}), std::vector<double>(4));
}

TEST(Tree, ScikitLearnsTrials_GiveItsPredictions) {
  const auto space = Parse(R"({"a":{"float":[0,1]},"b":{"float":[0,1]},"c":{"float":[0,1]}})");
  const auto points = [](const boost::json::value& json) {
    std::vector<Point> out;
    for (const auto& row : json.as_array()) {
      out.emplace_back();
      for (const auto& x : row.as_array()) out.back().push_back(x.to_number<double>());
    }
    return out;
  };
  const auto golden = Golden();
  for (const auto& entry : golden.at("tree").as_array()) {
    Evidence seen{points(entry.at("points")), {}};
    for (const auto& loss : entry.at("losses").as_array())
      seen.losses.push_back(loss.to_number<double>());
    std::vector<std::size_t> rows(seen.losses.size());
    std::iota(rows.begin(), rows.end(), 0);
    const Tree tree(*space, seen, rows,
                    {.leaf = entry.at("leaf").to_number<std::size_t>(), .features = 1}, Random(1));
    const auto asked = points(entry.at("asked"));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      EXPECT_NEAR(tree.Predict(asked[i]), entry.at("answers").at(i).to_number<double>(), 1e-12)
          << i;
    }
  }
}

Evidence Sample(const Space& space, int count, const Objective& loss, std::uint64_t seed) {
  Evidence seen;
  for (int i = 0; i < count; ++i) {
    seen.points.push_back(space.Draw(Random(seed, static_cast<std::uint64_t>(i))));
    seen.losses.push_back(loss(space.Decode(seen.points.back())));
  }
  return seen;
}

TEST(Tree, ChoicesAndInactiveParameters_AreSplitExactly) {
  const auto space =
      Parse(R"({"o":{"choice":["a","b","c","d"]},"m":{"float":[0,1],"when":{"o":["a","b"]}}})");
  const auto loss = [](const Params& params) {
    const auto& o = std::get<std::string>(params.at("o"));
    return o == "a" || o == "c" ? 1e9 : params.contains("m") ? 1e9 + 1 : 1e9 + 2;
  };
  const Evidence seen = Sample(*space, 200, loss, 3);
  std::vector<std::size_t> rows(200);
  std::iota(rows.begin(), rows.end(), 0);
  const Tree tree(*space, seen, rows, {.features = 1}, Random(1));
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(tree.Predict(seen.points[i]), seen.losses[i]);
}

constexpr const char* kThree =
    R"({"a":{"float":[0,1]},"b":{"float":[0,1]},"noise":{"float":[0,1]}})";
double Additive(const Params& params) { return 3 * At(params, "a") - At(params, "b"); }

TEST(PermutationImportance, AnAdditiveFunction_GivesTwiceEachShareOfVariance) {
  // Shuffling a independent term doubles its variance: 2 * 9/10 and 2 * 1/10 for a perfect model.
  const auto space = Parse(kThree);
  const Evidence seen = Sample(*space, 800, Additive, 1);
  const auto importance = PermutationImportance(*space, seen, 7);
  EXPECT_NEAR(importance[0].value, 1.8, 0.2);
  EXPECT_NEAR(importance[1].value, 0.2, 0.08);
  EXPECT_LT(importance[0].low, 1.8);
  EXPECT_GT(importance[0].high, 1.6);
  EXPECT_GT(importance[1].low, 0);
  EXPECT_LT(importance[2].low, 0.01);
  EXPECT_LT(importance[2].high, 0.05);
  const auto again = PermutationImportance(*space, seen, 7);
  EXPECT_EQ(importance[0].low, again[0].low);
}

TEST(PermutationImportance, FewTrials_MakeWideIntervals) {
  const auto space = Parse(kThree);
  const auto few = PermutationImportance(*space, Sample(*space, 20, Additive, 1), 7);
  const auto many = PermutationImportance(*space, Sample(*space, 400, Additive, 1), 7);
  EXPECT_GT(few[0].high - few[0].low, 2 * (many[0].high - many[0].low));
  EXPECT_EQ(PermutationImportance(*space, Sample(*space, 5, Additive, 1), 7)[0].value, 0);
  const auto flat = [](const Params&) { return 2.0; };
  EXPECT_EQ(PermutationImportance(*space, Sample(*space, 50, flat, 1), 7)[0].high, 0);
}

TEST(PartialDependence, AnAdditiveFunction_IsItsTerm) {
  const auto space = Parse(kThree);
  const Evidence seen = Sample(*space, 800, Additive, 1);
  const auto one = PartialDependence(*space, seen, {0}, 3);
  ASSERT_EQ(one.at.size(), 24U);
  EXPECT_EQ(one.at.front()[0], 0);
  EXPECT_EQ(one.at.back()[0], 1);
  for (std::size_t i = 0; i < one.at.size(); ++i) {
    EXPECT_NEAR(one.losses[i].value, 3 * one.at[i][0] - 0.5, 0.2);
    EXPECT_LE(one.losses[i].low, one.losses[i].value + 0.05);
    EXPECT_GE(one.losses[i].high, one.losses[i].value - 0.05);
  }
  const auto two = PartialDependence(*space, seen, {0, 1}, 3);
  ASSERT_EQ(two.at.size(), 144U);
  for (std::size_t i = 0; i < two.at.size(); ++i) {
    EXPECT_NEAR(two.losses[i].value, 3 * two.at[i][0] - two.at[i][1], 0.35);
  }
}

TEST(PartialDependence, ChoicesStepsAndConditions_HaveTheirOwnGrid) {
  const auto space = Parse(kMixed);
  const Evidence seen = Sample(*space, 300, MixedLoss, 2);
  const auto grid = [&](const char* name) {
    const auto found = std::ranges::find(space->parameters(), name, &Parameter::name);
    return PartialDependence(*space, seen,
                             {static_cast<std::size_t>(found - space->parameters().begin())}, 1)
        .at.size();
  };
  EXPECT_EQ(grid("optimizer"), 3U);
  EXPECT_EQ(grid("layers"), 8U);
  EXPECT_EQ(grid("dropout"), 11U);
  EXPECT_EQ(grid("momentum"), 24U);
  EXPECT_TRUE(PartialDependence(*space, {}, {0}, 1).at.empty());
}

TEST(BestSoFar, OrderOfEnds_FailuresLossesAndViolations) {
  History history({Goal::kMaximize});
  for (int i = 0; i < 7; ++i) history.Start(i, {});
  history.Finish(3, Complete({1}));
  history.Finish(0, {TrialState::kFailed, {}, {}});
  history.Finish(1, {TrialState::kLost, {}, {}});
  history.Finish(2, Complete({0.5}));
  history.Finish(4, {TrialState::kComplete, {9}, {0.1}});
  history.Finish(5, Complete({NAN}));
  history.Finish(6, Complete({2}));
  history.Resume(3);
  history.Finish(3, Complete({3}));
  const BestCourse course = BestSoFar(history, 0);
  const auto& best = course.improvements;
  ASSERT_EQ(best.size(), 3U);  // trial 3's first end is forgotten
  EXPECT_EQ(best[0].trial, 2);
  EXPECT_EQ(best[0].ended, 2);
  EXPECT_EQ(best[1].trial, 6);
  EXPECT_EQ(best[1].ended, 5);
  EXPECT_EQ(best[2].trial, 3);
  EXPECT_EQ(best[2].loss, -3);
  EXPECT_EQ(course.ended, 6);
  EXPECT_EQ(course.newest, 3);
}

TEST(Front, OfTwoObjectives_LeavesOutWhatDoesNotCount) {
  History history({Goal::kMinimize, Goal::kMaximize});
  history.Import({}, Complete({0, 5}), 1);
  for (int i = 0; i < 5; ++i) history.Start(i, {});
  history.Finish(0, Complete({1, 6}));
  history.Finish(1, Complete({1, 5}));
  history.Finish(2, {TrialState::kComplete, {0, 9}, {1}});
  history.Finish(3, Complete({-5, NAN}));
  history.Finish(4, Complete({1, 6}));
  EXPECT_EQ(Front(history), (std::vector<std::int64_t>{-1, 0, 4}));
}

}  // namespace
}  // namespace muster::tuner
