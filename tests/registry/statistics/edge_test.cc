#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "registry/statistics/bootstrap.h"
#include "registry/statistics/calibration.h"
#include "registry/statistics/fairness.h"
#include "registry/statistics/hypothesis.h"

/// What the references do not say: NaN, no variance, too little data.

namespace muster::registry::statistics {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Bootstrap, SameSeed_SameInterval) {
  std::vector<double> values(50);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i));
  EXPECT_EQ(BootstrapMean(values, 0.95, 1), BootstrapMean(values, 0.95, 1));
  EXPECT_FALSE(BootstrapMean(values, 0.95, 1) == BootstrapMean(values, 0.95, 2));
}

TEST(Intervals, Nan_IsKnownByBothEnds) {
  const std::vector<double> values{1, 2, kNan};
  for (const Interval& interval :
       {BootstrapMean(values, 0.9, 1), QuantileInterval(values, 0.5, 0.9), NoInterval(0.9),
        TTest(values, 0, 0.9).interval}) {
    EXPECT_TRUE(std::isnan(interval.low) && std::isnan(interval.high));
    EXPECT_EQ(interval.confidence, 0.9);
  }
  EXPECT_TRUE(std::isnan(TTest(values, 0, 0.9).p));
}

TEST(TTest, EqualValues_SayNothing) {
  // 0.1 three times has a mean that is not 0.1.
  for (const double value : {0.0, 0.1, 1e9}) {
    const MeanTest test = TTest(std::vector<double>(3, value), -1, 0.95);
    EXPECT_TRUE(std::isnan(test.p)) << value;
    EXPECT_NEAR(test.mean, value, 1e-6);
  }
}

TEST(Holm, Nan_RefusesNothing) {
  const auto adjusted = HolmAdjusted(std::vector<double>{0.01, kNan});
  EXPECT_EQ(adjusted[0], 0.02);
  EXPECT_EQ(adjusted[1], 1);
}

TEST(Tango, NothingDiscordant_LeavesRoom) {
  const Interval few = TangoInterval({0, 0, 10}, 0.95);
  const Interval many = TangoInterval({0, 0, 1000}, 0.95);
  EXPECT_LT(few.low, -0.2);
  EXPECT_GT(many.low, -0.005);
  const Interval one = TangoInterval({1, 0, 1}, 0.95);
  EXPECT_LE(one.high, 1);
  EXPECT_GE(one.low, -1);
}

TEST(Softmax, Nan_StaysInItsRow) {
  const auto p = Softmax(std::vector<float>{0, std::nanf(""), 1000, -1000}, 2);
  EXPECT_TRUE(std::isnan(p[0] + p[1]));
  EXPECT_EQ(p[2], 1);
  EXPECT_EQ(p[3], 0);
}

TEST(Fairness, WhatCannotBeComputed_IsNan) {
  const std::vector<std::uint8_t> nobody(4, 0), everybody(4, 1);
  const std::vector<std::int64_t> groups{7, 7, -1, -1};
  using enum FairnessMeasure;
  const auto rates = RatesByGroup(nobody, nobody, groups);
  ASSERT_EQ(rates.size(), 2U);
  EXPECT_EQ(rates[0].group, -1);
  EXPECT_EQ(rates[0].rows, 2);
  EXPECT_EQ(Fairness(kDemographicParityDifference, rates), 0);
  EXPECT_TRUE(std::isnan(Fairness(kDemographicParityRatio, rates))) << "0 / 0";
  EXPECT_TRUE(std::isnan(Fairness(kEqualizedOddsDifference, rates))) << "no positives";
  EXPECT_TRUE(
      std::isnan(Fairness(kEqualizedOddsDifference, RatesByGroup(nobody, everybody, groups))))
      << "no negatives";
  const std::vector<std::int64_t> one(4, 1);
  EXPECT_TRUE(std::isnan(Fairness(kDemographicParityRatio, RatesByGroup(nobody, nobody, one))));
}

}  // namespace
}  // namespace muster::registry::statistics
