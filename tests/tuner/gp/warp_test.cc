#include "tuner/gp/warp.h"

#include "tuner/gp/likelihood.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/random.h"

namespace muster::tuner::gp {
namespace {

/// Golden values: mpmath with 40 digits, derivatives by mpmath.diff.
TEST(InputWarp, ValueAndSlopes_EqualMpmath) {
  struct {
    double u, a, b, value, over_u, over_a, over_b;
  } const kCases[] = {
      {.3, .2, 1.7, 0.9272734862902569, 0.30273816292430855, -0.10934655449773856,
       0.19061977498916138},
      {.01, 2.5, .4, 4.0000120000640004e-6, 0.0010000060000480004, -4.6051978172302574e-5,
       4.0000040000053333e-6},
  };
  for (const auto& c : kCases) {
    const InputWarp warp{c.a, c.b};
    EXPECT_NEAR(warp.At(c.u), c.value, 1e-13 * std::abs(c.value));
    const auto slopes = warp.SlopesAt(c.u);
    EXPECT_NEAR(slopes.over_u, c.over_u, 1e-13 * std::abs(c.over_u));
    EXPECT_NEAR(slopes.over_a, c.over_a, 1e-13 * std::abs(c.over_a));
    EXPECT_NEAR(slopes.over_b, c.over_b, 1e-13 * std::abs(c.over_b));
  }
}

TEST(InputWarp, Inverse_LeadsBack_AndBeyondTheSpaceNothingMoves) {
  for (const double a : {0.1, 1., 9.}) {
    for (const double b : {0.1, 1., 9.}) {
      const InputWarp warp{a, b};
      for (const double u : {-1., 0., 0.02, 0.4, 0.9, 1., 2.}) {
        const double w = warp.At(u);
        if (w > 0 && 1 - w < 1e-6) continue;  // too near to the end to tell
        EXPECT_NEAR(warp.Inverse(w), u, 1e-8) << a << " " << b;
      }
      EXPECT_EQ(warp.At(2), 2);
      EXPECT_EQ(warp.At(-1), -1);
    }
  }
}

struct Sample {
  Rows rows{2, 0};
  std::vector<double> targets;

  template <class F>
  Sample(int n, F f) {
    Random random(7);
    for (int i = 0; i < n; ++i) {
      const std::vector<double> u{random.Uniform(1e-4, 1), random.Uniform(1e-4, 1)};
      rows.Add(std::vector{u[0] - 0.5, u[1] - 0.5}, 1);
      targets.push_back(f(u[0], u[1]));
    }
  }
  [[nodiscard]] Hyperparameters Plain() const {
    return Fit(rows, targets, Hyperparameters::Start(2), 50);
  }
};

double Rates(double u, double v) {
  const double x = std::log10(u) + 2, y = std::log10(v) + 1.5;
  return x * x / 2 + y * y / 2 - 1;
}

TEST(FitWarped, RatesOnALinearScale_AreStretched_AndAPlainBowlIsNot) {
  const Sample rates(60, Rates);
  const auto fit = FitWarped(rates.rows, rates.targets, rates.Plain(), 60);
  ASSERT_TRUE(fit.has_value());
  for (const InputWarp& warp : fit->warps) {
    EXPECT_GT(warp.At(0.02) - warp.At(0.002), 3 * (0.02 - 0.002)) << warp.a << " " << warp.b;
  }
  const Sample bowl(60, [](double u, double v) { return 4 * (u - .4) * (u - .4) + (v - .6) * u; });
  EXPECT_FALSE(FitWarped(bowl.rows, bowl.targets, bowl.Plain(), 60).has_value());
}

TEST(LogPosterior, GradientOverTheRows_EqualsDifferences) {
  const Sample sample(12, Rates);
  const Hyperparameters at{{-.4, .1}, .2, -1, -1.5, -3};
  std::vector<double> gradient(6);
  std::vector<std::vector<double>> over_rows, ignored;
  NegativeLogPosterior(sample.rows, sample.targets, at, gradient, &over_rows);
  for (std::size_t f = 0; f < 2; ++f) {
    for (std::size_t i = 0; i < 12; ++i) {
      constexpr double kStep = 1e-5;
      Rows up = sample.rows, down = sample.rows;
      up.columns[f][i] += kStep;
      down.columns[f][i] -= kStep;
      const double difference = (NegativeLogPosterior(up, sample.targets, at, gradient) -
                                 NegativeLogPosterior(down, sample.targets, at, gradient)) /
                                (2 * kStep);
      EXPECT_NEAR(over_rows[f][i], difference, 1e-6 * std::max(1.0, std::abs(difference)));
    }
  }
}

}  // namespace
}  // namespace muster::tuner::gp
