#include "registry/statistics/interval.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <limits>

#include "registry/statistics/policy.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace muster::registry::statistics {

Interval NoInterval(double confidence) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  return {kNan, kNan, confidence};
}

double NormalQuantile(double confidence) { return InverseNormalCdf(0.5 + confidence / 2); }

Interval WilsonInterval(std::int64_t successes, std::int64_t trials, double confidence) {
  MUSTER_CHECK(trials >= 1 && successes >= 0 && successes <= trials, "a rate is a share of trials");
  const double n = static_cast<double>(trials), rate = static_cast<double>(successes) / n;
  const double z = NormalQuantile(confidence), z2 = z * z;
  const double centre = (rate + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z / (1 + z2 / n) * std::sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
  // At 0 and 1 the end is exactly there; rounding would put it beside.
  return {successes == 0 ? 0 : centre - half, successes == trials ? 1 : centre + half, confidence};
}

Interval QuantileInterval(std::span<const double> sorted, double q, double confidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::ranges::any_of(sorted, [](double x) { return std::isnan(x); })) {
    return NoInterval(confidence);
  }
  Interval interval{-kInfinity, kInfinity, confidence};
  if (sorted.empty()) return interval;
  const auto n = static_cast<std::int64_t>(sorted.size());
  const boost::math::binomial_distribution<double, Quiet> below(static_cast<double>(n), q);
  const double tail = (1 - confidence) / 2;
  // The k-th smallest lies above the quantile when fewer than k values lie below it.
  std::int64_t low = 0;
  while (low < n && boost::math::cdf(below, static_cast<double>(low)) <= tail) ++low;
  if (low >= 1) interval.low = sorted[static_cast<std::size_t>(low - 1)];
  std::int64_t high = n;
  while (high > 0 &&
         boost::math::cdf(boost::math::complement(below, static_cast<double>(high - 1))) <= tail) {
    --high;
  }
  if (high < n) interval.high = sorted[static_cast<std::size_t>(high)];
  return interval;
}

double SortedQuantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

}  // namespace muster::registry::statistics
