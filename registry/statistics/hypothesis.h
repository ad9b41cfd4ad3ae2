#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "registry/statistics/interval.h"

/// Hypothesis tests. p is two-sided unless said otherwise and NaN where the test says nothing. Pure; any thread.

namespace muster::registry::statistics {

/// Two models on the same rows, by rows that only one of them has right.
struct Discordant {
  std::int64_t gained = 0;  ///< the candidate alone
  std::int64_t lost = 0;    ///< the incumbent alone
  std::int64_t rows = 0;    ///< all, >= 1
};
/// McNemar's exact test (1947): `gained` of gained + lost against a fair coin. 1 when nothing is discordant.
double McNemarExact(const Discordant& pairs);
/// The score statistic of Tango (Statistics in Medicine 17, 1998, eq. 5) for H0: gained rate - lost rate = `difference`,
/// normal when H0 holds; `difference` in [-1, 1].
double TangoScore(const Discordant& pairs, double difference);
/// Its interval of the difference: that which TangoScore does not refuse. It does not collapse when nothing is discordant.
Interval TangoInterval(const Discordant& pairs, double confidence);

struct MeanTest {
  double mean = 0;
  double p = 1;  ///< of H0: the true mean is `bound`
  Interval interval;
};
/// Student's t of n >= 2 values. NaN p and interval when all values are equal: nothing tells how they vary.
MeanTest TTest(std::span<const double> values, double bound, double confidence);
/// The corrected resampled t-test of Nadeau and Bengio (Machine Learning 52, 2003): the variance of a mean over
/// k folds or splits is (1/k + test_share) s^2, where test_share = rows tested on / rows trained on, 1 / (k - 1)
/// in k-fold. NaN as TTest.
MeanTest CorrectedResampledTTest(std::span<const double> values, double test_share, double bound,
                                 double confidence);

/// P(at least `successes` of `trials`) when the rate is `rate`: one-sided p of H0: true rate <= `rate`.
double BinomialUpperTail(std::int64_t successes, std::int64_t trials, double rate);

/// Holm's step-down adjustment (1979): refusing each hypothesis whose adjusted p <= alpha keeps the chance of
/// any wrong refusal at alpha. In the order given, at most 1; a NaN counts as 1.
std::vector<double> HolmAdjusted(std::span<const double> p);

}  // namespace muster::registry::statistics
