#include "registry/statistics/hypothesis.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "registry/statistics/policy.h"
#include "runtime/base/check.h"

namespace muster::registry::statistics {
namespace {

using Binomial = boost::math::binomial_distribution<double, Quiet>;
using StudentT = boost::math::students_t_distribution<double, Quiet>;

/// Mean and two-sided p with the standard error `scale` * s.
MeanTest ScaledTTest(std::span<const double> values, double scale, double bound,
                     double confidence) {
  MUSTER_CHECK(values.size() >= 2, "one value has no variance");
  const double n = static_cast<double>(values.size());
  MeanTest test;
  test.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - test.mean) * (value - test.mean);
  const double error = scale * std::sqrt(squares / (n - 1));
  test.p = std::numeric_limits<double>::quiet_NaN();
  test.interval = NoInterval(confidence);
  // Equal values leave no more than what rounding of the mean makes of them.
  const auto [low, high] = std::ranges::minmax(values);
  if (!(error > 0) || low == high || !std::isfinite(error)) return test;
  const StudentT student(n - 1);
  test.p =
      2 * boost::math::cdf(boost::math::complement(student, std::abs(test.mean - bound) / error));
  const double half =
      error * boost::math::quantile(boost::math::complement(student, (1 - confidence) / 2));
  test.interval = {test.mean - half, test.mean + half, confidence};
  return test;
}

}  // namespace

double McNemarExact(const Discordant& pairs) {
  const std::int64_t discordant = pairs.gained + pairs.lost;
  if (discordant == 0) return 1;
  const Binomial coin(static_cast<double>(discordant), 0.5);
  const auto fewer = static_cast<double>(std::min(pairs.gained, pairs.lost));
  return std::min(1.0, 2 * boost::math::cdf(coin, fewer));
}

double TangoScore(const Discordant& pairs, double difference) {
  const auto b = static_cast<double>(pairs.gained), c = static_cast<double>(pairs.lost);
  const auto n = static_cast<double>(pairs.rows);
  // The lost rate that is likeliest under H0, a root of A q^2 + B q + C.
  const double a = 2 * n, linear = -b - c + (2 * n - b + c) * difference;
  const double constant = -c * difference * (1 - difference);
  const double root = std::sqrt(std::max(0.0, linear * linear - 4 * a * constant));
  const double lost = (root - linear) / (2 * a);
  const double distance = b - c - n * difference;
  const double variance = n * (2 * lost + difference * (1 - difference));
  if (distance == 0) return 0;
  if (variance <= 0) return std::copysign(std::numeric_limits<double>::infinity(), distance);
  return distance / std::sqrt(variance);
}

Interval TangoInterval(const Discordant& pairs, double confidence) {
  MUSTER_CHECK(pairs.rows >= 1 && pairs.gained + pairs.lost <= pairs.rows, "pairs are of rows");
  const double z = NormalQuantile(confidence);
  const double centre =
      static_cast<double>(pairs.gained - pairs.lost) / static_cast<double>(pairs.rows);
  // The score falls as the difference grows.
  const auto bisect = [&](double inside, double outside) {
    for (int i = 0; i < 100 && inside != outside; ++i) {
      const double middle = inside + (outside - inside) / 2;
      (std::abs(TangoScore(pairs, middle)) <= z ? inside : outside) = middle;
    }
    return inside;
  };
  return {bisect(centre, -1), bisect(centre, 1), confidence};
}

MeanTest TTest(std::span<const double> values, double bound, double confidence) {
  return ScaledTTest(values, std::sqrt(1.0 / static_cast<double>(values.size())), bound,
                     confidence);
}

MeanTest CorrectedResampledTTest(std::span<const double> values, double test_share, double bound,
                                 double confidence) {
  return ScaledTTest(values, std::sqrt(1.0 / static_cast<double>(values.size()) + test_share),
                     bound, confidence);
}

double BinomialUpperTail(std::int64_t successes, std::int64_t trials, double rate) {
  if (successes <= 0) return 1;
  const Binomial binomial(static_cast<double>(trials), rate);
  return boost::math::cdf(boost::math::complement(binomial, static_cast<double>(successes - 1)));
}

std::vector<double> HolmAdjusted(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto of = [&](std::size_t i) { return std::isnan(p[i]) ? 1.0 : p[i]; };
  std::ranges::stable_sort(order, {}, of);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, of(order[rank]) * static_cast<double>(p.size() - rank));
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

}  // namespace muster::registry::statistics
