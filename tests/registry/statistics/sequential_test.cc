#include "registry/statistics/sequential.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/base/random.h"

/// Looking after every outcome, as often as one likes: what that costs in wrong decisions and in outcomes, by
/// simulation, and values that can be had by hand.

namespace muster::registry::statistics {
namespace {

constexpr double kAlpha = 0.05;
constexpr double kLoss = 0.02;

struct Canary {
  double champion = 0.9, challenger = 0.9, share = 0.5;
  int requests = 4'000;
};

/// The challenger's outcomes when it was found worse; 0: it was not.
std::int64_t Found(const Canary& canary, std::uint64_t seed) {
  Random random(seed);
  LossTest test(kLoss);
  for (int i = 0; i < canary.requests; ++i) {
    if (random.Chance(canary.share)) {
      test.AddChallenger(random.Chance(canary.challenger));
    } else {
      test.AddChampion(random.Chance(canary.champion));
    }
    if (test.evidence() >= 1 / kAlpha) return test.challenger().trials;
  }
  return 0;
}

double ShareFound(const Canary& canary, int runs) {
  int found = 0;
  for (int run = 0; run < runs; ++run) found += Found(canary, static_cast<std::uint64_t>(run)) > 0;
  return static_cast<double>(found) / runs;
}

TEST(LossTest, EqualRates_AreAccusedAtMostAlphaOfTheTime) {
  EXPECT_LE(ShareFound({}, 400), kAlpha);
  EXPECT_LE(ShareFound({.champion = 0.99, .challenger = 0.99, .share = 0.1}, 400), kAlpha);
  EXPECT_LE(ShareFound({.champion = 0.9, .challenger = 0.93}, 400), 0.01) << "a better one";
  EXPECT_LE(ShareFound({.champion = 0.9, .challenger = 0.896}, 400), kAlpha)
      << "too little to matter";
}

TEST(LossTest, Loss_IsFoundWithAtMostOneAndAHalfOfAFixedTest) {
  // Two proportions, one-sided 5 %, power 90 %: ((1.645 + 1.282) / 0.02)^2 (p q + p' q').
  const Canary canary{.champion = 0.9, .challenger = 0.88, .requests = 100'000};
  const double fixed = std::pow((1.645 + 1.282) / kLoss, 2) * (0.9 * 0.1 + 0.88 * 0.12);
  double sum = 0;
  for (std::uint64_t run = 0; run < 60; ++run) {
    const std::int64_t outcomes = Found(canary, run);
    ASSERT_GT(outcomes, 0) << run;
    sum += static_cast<double>(outcomes);
  }
  EXPECT_LE(sum / 60, 1.5 * fixed);
}

TEST(LossTest, ABrokenChallenger_IsFoundAtOnce) {
  EXPECT_LE(Found({.champion = 0.99, .challenger = 0, .share = 0.01, .requests = 10'000}, 1), 24);
}

TEST(LossTest, OneBlock_IsTheRatioOfItsLikelihoods) {
  // Without earlier outcomes the rate is 1/2, its halves apart by the loss; eight of each make a block.
  LossTest test(kLoss);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(test.evidence(), 1, 1e-12) << "no block yet";
    test.AddChampion(true);
    test.AddChallenger(i % 2 == 0);
  }
  double wanted = 0;
  for (const double loss : {0.02, 0.04, 0.08, 0.16}) {
    const double good = (0.5 + loss / 2) / 0.5, bad = (0.5 - loss / 2) / 0.5;
    wanted +=
        (loss == 0.02 ? 0.5 : 0.5 / 3) * std::pow(good, 8) * std::pow(bad, 4) * std::pow(good, 4);
  }
  EXPECT_NEAR(test.evidence(), wanted, 1e-12);
  EXPECT_EQ(test.champion().successes, 8);
  EXPECT_EQ(test.challenger().successes, 4);
}

TEST(ExceedanceTest, Limit_IsHeldOrBroken) {
  int accused = 0;
  for (std::uint64_t run = 0; run < 400; ++run) {
    Random random(run);
    ExceedanceTest test(0.01);
    bool found = false;
    for (int i = 0; i < 3'000 && !found; ++i) {
      test.Add(random.Chance(0.01));
      found = test.evidence() >= 1 / kAlpha;
    }
    accused += found ? 1 : 0;
  }
  EXPECT_LE(accused, 400 * kAlpha);
  Random random(1);
  ExceedanceTest slow(0.01);
  int calls = 0;
  for (; slow.evidence() < 1 / kAlpha; ++calls) slow.Add(random.Chance(0.04));
  EXPECT_LT(calls, 1'000);
}

TEST(SequentialInterval, OfNoSuccess_IsInClosedForm) {
  for (const int n : {1, 10, 1'000}) {
    const double log_mixture = std::lgamma(0.5) + std::lgamma(n + 0.5) - std::lgamma(n + 1.0) -
                               2 * std::lgamma(0.5) + std::lgamma(1.0);
    const Interval interval = SequentialInterval(0, n, 0.95);
    EXPECT_EQ(interval.low, 0);
    EXPECT_NEAR(interval.high, 1 - std::exp((log_mixture - std::log(20)) / n), 1e-12) << n;
    EXPECT_NEAR(SequentialInterval(n, n, 0.95).low, 1 - interval.high, 1e-12);
  }
  EXPECT_EQ(SequentialInterval(0, 0, 0.95), (Interval{0, 1, 0.95}));
}

TEST(SequentialInterval, HoldsAtAllTimesAtOnce) {
  int left = 0;
  for (std::uint64_t run = 0; run < 1'000; ++run) {
    Random random(run);
    std::int64_t successes = 0;
    bool out = false;
    for (std::int64_t n = 1; n <= 200 && !out; ++n) {
      successes += random.Chance(0.3) ? 1 : 0;
      const Interval interval = SequentialInterval(successes, n, 0.95);
      out = interval.low > 0.3 || interval.high < 0.3;
    }
    left += out ? 1 : 0;
  }
  EXPECT_LE(left, 50);
}

}  // namespace
}  // namespace muster::registry::statistics
