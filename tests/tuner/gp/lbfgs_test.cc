#include "tuner/gp/lbfgs.h"

#include <gtest/gtest.h>

#include <cmath>

namespace muster::tuner::gp {
namespace {

constexpr LbfgsOptions kExact{.evaluations = 2000, .gradient = 1e-10, .progress = 1e-16};

double Rosenbrock(std::span<const double> x, std::span<double> g) {
  double sum = 0;
  for (double& v : g) v = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    sum += 100 * a * a + b * b;
    g[i] += -400 * a * x[i] - 2 * b;
    g[i + 1] += 200 * a;
  }
  return sum;
}

void ExpectNear(const std::vector<double>& x, const std::vector<double>& wanted, double error) {
  ASSERT_EQ(x.size(), wanted.size());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], wanted[i], error) << i;
}

TEST(Lbfgs, Rosenbrock_FindsTheMinimum) {
  const Bounds box{std::vector<double>(4, -2), std::vector<double>(4, 2)};
  const Minimum minimum = Minimize(Rosenbrock, {-1.2, 1, -1.2, 1}, box, kExact);
  ExpectNear(minimum.x, {1, 1, 1, 1}, 1e-7);
  EXPECT_LT(minimum.f, 1e-14);
  EXPECT_LT(minimum.evaluations, 300);
}

TEST(Lbfgs, RosenbrockAgainstBounds_EqualsScipysLbfgsb) {
  // scipy 1.x minimize(rosen, method="L-BFGS-B", ftol=1e-16, gtol=1e-12) in the same box.
  const Bounds box{{-2, -2, -2, -2}, {.8, 2, 2, .5}};
  const Minimum minimum = Minimize(Rosenbrock, {-1.2, 1, -1.2, .4}, box, kExact);
  ExpectNear(minimum.x, {0.8, 0.6509190765430855, 0.42940162792841896, 0.18438575806757626}, 1e-6);
  EXPECT_NEAR(minimum.f, 0.5026184416097537, 1e-12);
}

TEST(Lbfgs, QuadraticAgainstBounds_EqualsScipysLbfgsb) {
  const auto f = [](std::span<const double> x, std::span<double> g) {
    constexpr double kA[3][3] = {{4, 1, .5}, {1, 3, -.7}, {.5, -.7, 2}};
    constexpr double kB[3] = {1, -8, 3};
    double sum = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      g[i] = kB[i];
      for (std::size_t j = 0; j < 3; ++j) g[i] += kA[i][j] * x[j];
      sum += 0.5 * x[i] * (g[i] + kB[i]);
    }
    return sum;
  };
  const Minimum minimum = Minimize(f, {0, 0, 0}, {{-1, -1, -1}, {1, 1, 2}}, kExact);
  ExpectNear(minimum.x, {-0.375, 1, -1}, 1e-8);
  EXPECT_NEAR(minimum.f, -8.08125, 1e-12);
}

TEST(Lbfgs, WhereTheFunctionHasNoValue_TheStepIsCut) {
  // x - log x with a wall at 0, which the first steps run into.
  const auto f = [](std::span<const double> x, std::span<double> g) {
    g[0] = 1 - 1 / x[0];
    return x[0] > 0 ? x[0] - std::log(x[0]) : NAN;
  };
  const Minimum minimum = Minimize(f, {50}, {{-1e6}, {1e6}}, kExact);
  ExpectNear(minimum.x, {1}, 1e-6);
}

TEST(Lbfgs, NoValueAtTheStart_AnswersTheStartInTheBox) {
  const auto f = [](std::span<const double>, std::span<double>) { return NAN; };
  const Minimum minimum = Minimize(f, {5}, {{0}, {1}}, kExact);
  ExpectNear(minimum.x, {1}, 0);
  EXPECT_EQ(minimum.evaluations, 1);
}

TEST(Lbfgs, AFixedCoordinateStays) {
  const Bounds box{{-2, .25, -2}, {2, .25, 2}};
  const Minimum minimum = Minimize(Rosenbrock, {0, 0, 0}, box, kExact);
  EXPECT_EQ(minimum.x[1], .25);
  EXPECT_NEAR(minimum.x[2], .0625, 1e-6);
}

}  // namespace
}  // namespace muster::tuner::gp
