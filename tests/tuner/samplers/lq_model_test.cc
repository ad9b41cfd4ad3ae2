#include "tuner/samplers/lq_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/random.h"

namespace muster::tuner {
namespace {

using Datum = LqModel::Datum;

LqModel FitTo(std::vector<Datum> data) {
  std::ranges::stable_sort(data, {}, &Datum::loss);
  std::vector<const Datum*> sorted;
  for (const Datum& datum : data) sorted.push_back(&datum);
  LqModel quadratic;
  quadratic.Fit(sorted);
  return quadratic;
}

double Bowl(const std::vector<double>& z) {
  const double a = z[0] - 0.5, b = z[1] + 0.25, c = z[2];
  return 7 + a * a + 5 * b * b + 2 * c * c + a * b - 0.5 * b * c;
}

std::vector<Datum> Data(int count, double (*loss)(const std::vector<double>&)) {
  Random random(3);
  std::vector<Datum> data;
  for (int i = 0; i < count; ++i) {
    std::vector<double> z{random.Normal(), random.Normal(), random.Normal()};
    const double value = loss(z);
    data.push_back({std::move(z), value});
  }
  return data;
}

TEST(LqModel, IsExactOnAQuadratic) {
  const auto data = Data(11, Bowl);
  const LqModel fitted = FitTo(data);
  ASSERT_TRUE(fitted.curved());
  // At() has a unit of its own: compare ratios of differences.
  const double unit = (fitted.At(data[1].z) - fitted.At(data[0].z)) / (data[1].loss - data[0].loss);
  const std::vector<double> z{2, -1, 0.5};
  EXPECT_NEAR((fitted.At(z) - fitted.At(data[0].z)) / unit, Bowl(z) - data[0].loss, 1e-9);
  const auto least = fitted.Minimum(10);
  EXPECT_NEAR(least[0], 0.5, 1e-9);
  EXPECT_NEAR(least[1], -0.25, 1e-9);
  EXPECT_NEAR(least[2], 0, 1e-9);
}

TEST(LqModel, ItsLeastPointStaysInTheBall) {
  const auto least = FitTo(Data(30, Bowl)).Minimum(0.1);
  EXPECT_NEAR(std::hypot(least[0], least[1], least[2]), 0.1, 1e-9);
  EXPECT_LT(Bowl(least), Bowl({0, 0, 0}));
  // Where it curves down it goes to the edge.
  const auto saddle = FitTo(Data(30, [](const std::vector<double>& z) {
                        return z[0] * z[0] - z[1] * z[1] + 0.1 * z[1];
                      })).Minimum(2);
  EXPECT_NEAR(saddle[1], -2, 1e-6);
}

TEST(LqModel, FewDataMakeASimplerModel) {
  EXPECT_FALSE(FitTo(Data(4, Bowl)).fitted());
  EXPECT_TRUE(FitTo(Data(5, Bowl)).fitted());
  EXPECT_FALSE(FitTo(Data(7, Bowl)).curved());
  EXPECT_TRUE(FitTo(Data(8, Bowl)).curved());
}

// numpy.linalg.lstsq with rows times sqrt(weight), weights linspace(20, 1, 5) by rank.
TEST(LqModel, WeighsByRank) {
  std::vector<Datum> data;
  for (int i = 0; i < 5; ++i) data.push_back({{0.3 * i}, std::cos(2.0 * i) + i});
  const LqModel fitted = FitTo(data);
  const double range = 3.3763171231975084;
  EXPECT_NEAR(fitted.At(std::vector<double>{1}) * range, 2.2369025203267685, 1e-10);
  EXPECT_NEAR(fitted.At(std::vector<double>{-0.5}) * range, 1.9571656677194056, 1e-10);
}

}  // namespace
}  // namespace muster::tuner
