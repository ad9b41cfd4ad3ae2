#include "tuner/gp/regression.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/random.h"
#include "tuner/gp/likelihood.h"

namespace muster::tuner::gp {
namespace {

/// Nine rows of two numbers and a state, and what numpy makes of them by the formulas of regression.h
/// (numpy.linalg.solve and slogdet).
struct Case {
  Rows rows{2, 1};
  std::vector<double> targets{.271, .157, -.187, -2.517, -.539, -.049, .113, -1.53, -.478};
  Hyperparameters at{{-.4, .1, .3}, .2, -1, -1.5, -3};

  Case() {
    constexpr double kRows[9][3] = {{.125, .397, 2},   {.276, -.275, 1}, {-.2, .374, 1},
                                    {-.495, .321, 2},  {.297, -.032, 1}, {-.197, -.222, 0},
                                    {-.245, -.055, 2}, {.005, .053, 0},  {.496, .293, 2}};
    for (int i = 0; i < 9; ++i) rows.Add(kRows[i], i % 3 == 0 ? .5 : 1);
  }
};

TEST(Regression, LogPosterior_EqualsNumpy) {
  const Case c;
  std::vector<double> gradient(7);
  EXPECT_NEAR(NegativeLogPosterior(c.rows, c.targets, c.at, gradient), 10.241870598035646, 1e-11);
}

TEST(Regression, GradientOfTheLogPosterior_EqualsDifferences) {
  const Case c;
  std::vector<double> gradient(7), ignored(7);
  NegativeLogPosterior(c.rows, c.targets, c.at, gradient);
  for (std::size_t i = 0; i < 7; ++i) {
    auto up = c.at.Flat(), down = up;
    constexpr double kStep = 1e-5;
    up[i] += kStep;
    down[i] -= kStep;
    const double difference =
        (NegativeLogPosterior(c.rows, c.targets, Hyperparameters::FromFlat(up), ignored) -
         NegativeLogPosterior(c.rows, c.targets, Hyperparameters::FromFlat(down), ignored)) /
        (2 * kStep);
    EXPECT_NEAR(gradient[i], difference, 1e-8) << i;
  }
}

Regression Posterior(const Case& c) {
  Regression regression(c.at, 2, 1);
  regression.Assign(c.rows);
  regression.SetTargets(c.targets);
  return regression;
}

TEST(Regression, Posterior_EqualsNumpy) {
  const Case c;
  const Regression regression = Posterior(c);
  Belief belief;
  regression.Predict(std::vector{.1, -.2, 1.}, belief, false);
  EXPECT_NEAR(belief.mean, 0.39093556920057293, 1e-11);
  EXPECT_NEAR(belief.variance, 0.10264628379656626, 1e-11);
  const std::vector<double> both{.1, -.2, 1, .45, .3, 2};
  std::vector<double> means(2), variances(2);
  regression.PredictMany(both, 2, means, variances);
  EXPECT_NEAR(means[1], -0.3489736022882371, 1e-11);
  EXPECT_NEAR(variances[1], 0.04187517604682611, 1e-11);
  EXPECT_NEAR(means[0], belief.mean, 1e-12);
}

TEST(Regression, GradientOfTheBelief_EqualsDifferences) {
  const Case c;
  const Regression regression = Posterior(c);
  Belief belief, up, down;
  std::vector<double> row{.13, -.21, 2};
  regression.Predict(row, belief, true);
  for (std::size_t i = 0; i < 2; ++i) {
    constexpr double kStep = 1e-6;
    auto moved = row;
    moved[i] += kStep;
    regression.Predict(moved, up, false);
    moved[i] -= 2 * kStep;
    regression.Predict(moved, down, false);
    EXPECT_NEAR(belief.mean_gradient[i], (up.mean - down.mean) / (2 * kStep), 1e-8);
    EXPECT_NEAR(belief.variance_gradient[i], (up.variance - down.variance) / (2 * kStep), 1e-8);
  }
}

TEST(Regression, RowsAddedOneByOne_AreAsThoseAssigned_AlsoAfterTruncation) {
  const Case c;
  const Regression whole = Posterior(c);
  Regression grown(c.at, 2, 1);
  const auto add = [&](std::size_t i) {
    grown.Add(std::vector{c.rows.columns[0][i], c.rows.columns[1][i], c.rows.columns[2][i]},
              c.rows.weights[i]);
  };
  for (std::size_t i = 0; i < 6; ++i) add(i);
  for (int k = 0; k < 40; ++k) grown.Add(std::vector{.01 * k, .3, 1.}, 1);
  grown.Truncate(6);
  for (std::size_t i = 6; i < 9; ++i) add(i);
  grown.SetTargets(c.targets);
  Belief a, b;
  for (const double x : {-.4, 0., .3}) {
    const std::vector<double> row{x, .1, 0};
    whole.Predict(row, a, true);
    grown.Predict(row, b, true);
    EXPECT_NEAR(a.mean, b.mean, 1e-12);
    EXPECT_NEAR(a.variance, b.variance, 1e-12);
    EXPECT_NEAR(a.variance_gradient[1], b.variance_gradient[1], 1e-11);
  }
}

TEST(Regression, Smoothed_IsTheBeliefThere) {
  const Case c;
  const Regression regression = Posterior(c);
  Belief belief;
  for (std::size_t i = 0; i < 9; ++i) {
    regression.Predict(
        std::vector{c.rows.columns[0][i], c.rows.columns[1][i], c.rows.columns[2][i]}, belief,
        false);
    EXPECT_NEAR(regression.Smoothed(i, c.targets[i]), belief.mean, 1e-12);
  }
}

TEST(Regression, ARowOfLessWeight_PullsTheBeliefLess) {
  const auto belief_with = [](double weight) {
    const Case c;
    Rows rows = c.rows;
    std::vector<double> targets = c.targets;
    const std::vector<double> row{.1, -.2, 1};
    rows.Add(row, weight);
    targets.push_back(5);
    Regression assigned(c.at, 2, 1), added(c.at, 2, 1);
    assigned.Assign(rows);
    assigned.SetTargets(targets);
    added.Assign(c.rows);
    added.Add(row, weight);
    added.SetTargets(targets);
    Belief belief, grown;
    assigned.Predict(row, belief, false);
    added.Predict(row, grown, false);
    EXPECT_NEAR(grown.mean, belief.mean, 1e-12);
    EXPECT_NEAR(grown.variance, belief.variance, 1e-12);
    return belief;
  };
  // Without it the belief there is normal(m, v); a value y of noise s / w moves its mean by (y - m) v / (v + s / w).
  const double m = 0.39093556920057293, v = 0.10264628379656626, s = std::exp(-3);
  for (const double weight : {0.1, 1.0}) {
    const Belief belief = belief_with(weight);
    EXPECT_NEAR(belief.mean, m + (5 - m) * v / (v + s / weight), 1e-10) << weight;
    EXPECT_NEAR(belief.variance, v * (s / weight) / (v + s / weight), 1e-11) << weight;
  }
}

TEST(Regression, AQuadratic_IsExtrapolatedOnceFitted) {
  Rows rows(3, 0);
  std::vector<double> targets;
  const auto f = [](const std::vector<double>& x) {
    return 3 * x[0] * x[0] + x[0] * x[1] + 2 * (x[1] - .2) * (x[1] - .2) + x[2] - 1;
  };
  Random random(5);
  for (int i = 0; i < 30; ++i) {
    const std::vector<double> x{random.Uniform(-.3, .3), random.Uniform(-.3, .3),
                                random.Uniform(-.3, .3)};
    rows.Add(x, 1);
    targets.push_back(f(x));
  }
  const Hyperparameters fitted = Fit(rows, targets, Hyperparameters::Start(3), 200);
  EXPECT_LT(fitted.noise, -12);
  Regression regression(fitted, 3, 0);
  regression.Assign(rows);
  regression.SetTargets(targets);
  Belief belief;
  for (const auto& x : {std::vector{.5, -.5, .5}, std::vector{-.5, .4, -.5}}) {
    regression.Predict(x, belief, false);
    EXPECT_NEAR(belief.mean, f(x), 0.02);
  }
}

TEST(Regression, RepeatedRowsWithoutNoise_StayFinite) {
  Hyperparameters at = Hyperparameters::Start(2);
  at.noise = std::log(kNoiseFloor);
  Regression regression(at, 2, 0);
  Rows rows(2, 0);
  for (int i = 0; i < 60; ++i) rows.Add(std::vector{.1, .2}, 1);
  regression.Assign(rows);
  for (int i = 0; i < 20; ++i) regression.Add(std::vector{.1, .2}, 1);
  regression.SetTargets(std::vector<double>(80, 1));
  Belief belief;
  regression.Predict(std::vector{.1, .2}, belief, true);
  EXPECT_NEAR(belief.mean, 1, 1e-3);
  EXPECT_GT(belief.variance, 0);
}

}  // namespace
}  // namespace muster::tuner::gp
