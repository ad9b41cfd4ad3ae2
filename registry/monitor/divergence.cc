#include "registry/monitor/divergence.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "registry/statistics/policy.h"
#include "runtime/base/check.h"

namespace muster::registry::monitor {
namespace {

using Counts = std::span<const std::int64_t>;
constexpr double kExpectedLeast = 5;

double Sum(Counts counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

/// Variance of a linear function of the shares of `rows` rows, `slope` for each.
class Linear {
 public:
  void Add(double share, double slope) {
    mean_ += share * slope;
    square_ += share * slope * slope;
  }
  [[nodiscard]] double Variance(double rows) const {
    return std::max(0.0, square_ - mean_ * mean_) / rows;
  }

 private:
  double mean_ = 0, square_ = 0;
};

/// A divergence that is `per_chance` chi-square under one distribution.
struct Divergence {
  double value = 0, variance = 0;
  double per_chance = 0;
  double degrees = 0;
};

/// Around the value without its bias; all of it through `scale`, which rises.
template <typename Scale>
Effect EffectOf(const Divergence& divergence, double confidence, Scale scale) {
  const double bias = divergence.per_chance * divergence.degrees;
  const double centre = divergence.value - bias;
  const double half =
      statistics::NormalQuantile(confidence) *
      std::sqrt(divergence.variance +
                2 * divergence.degrees * divergence.per_chance * divergence.per_chance);
  const auto at_least_zero = [&](double x) { return scale(std::max(0.0, x)); };
  return {at_least_zero(divergence.value),
          at_least_zero(centre),
          {at_least_zero(centre - half), at_least_zero(centre + half), confidence}};
}

double UsedBins(Counts reference, Counts current) {
  double used = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) used += reference[i] + current[i] > 0 ? 1 : 0;
  return used;
}

void CheckTable(Counts reference, Counts current) {
  MUSTER_CHECK(reference.size() == current.size() && Sum(reference) > 0 && Sum(current) > 0,
               "two histograms of the same bins, each of some rows");
}

}  // namespace

Effect NoEffect(double confidence) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  return {kNan, kNan, statistics::NoInterval(confidence)};
}

Effect PopulationStability(Counts reference, Counts current, double confidence) {
  CheckTable(reference, current);
  const double added = 0.5 * static_cast<double>(reference.size());
  const double n = Sum(reference) + added, m = Sum(current) + added;
  Divergence divergence{.per_chance = 1 / n + 1 / m, .degrees = UsedBins(reference, current) - 1};
  Linear of_reference, of_current;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = (static_cast<double>(reference[i]) + 0.5) / n;
    const double q = (static_cast<double>(current[i]) + 0.5) / m;
    const double ratio = std::log(q / p);
    divergence.value += (q - p) * ratio;
    of_reference.Add(p, 1 - q / p - ratio);
    of_current.Add(q, 1 - p / q + ratio);
  }
  divergence.variance = of_reference.Variance(n) + of_current.Variance(m);
  return EffectOf(divergence, confidence, [](double x) { return x; });
}

Effect JensenShannon(Counts reference, Counts current, double confidence) {
  CheckTable(reference, current);
  const double n = Sum(reference), m = Sum(current);
  Divergence divergence{.per_chance = (1 / n + 1 / m) / 8,
                        .degrees = UsedBins(reference, current) - 1};
  Linear of_reference, of_current;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = static_cast<double>(reference[i]) / n;
    const double q = static_cast<double>(current[i]) / m;
    const double middle = (p + q) / 2;
    if (p > 0) {
      divergence.value += p * std::log(p / middle) / 2;
      of_reference.Add(p, std::log(p / middle) / 2);
    }
    if (q > 0) {
      divergence.value += q * std::log(q / middle) / 2;
      of_current.Add(q, std::log(q / middle) / 2);
    }
  }
  divergence.variance = of_reference.Variance(n) + of_current.Variance(m);
  return EffectOf(divergence, confidence,
                  [](double nats) { return std::min(1.0, std::sqrt(nats / std::numbers::ln2)); });
}

Effect LInfinity(Counts reference, Counts current, double confidence) {
  CheckTable(reference, current);
  const double n = Sum(reference), m = Sum(current);
  double largest = 0, variance = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = static_cast<double>(reference[i]) / n;
    const double q = static_cast<double>(current[i]) / m;
    largest = std::max(largest, std::abs(p - q));
    variance = std::max(variance, p * (1 - p) / n + q * (1 - q) / m);
  }
  const double each = 1 - (1 - confidence) / static_cast<double>(reference.size());
  const double half = statistics::NormalQuantile(each) * std::sqrt(variance);
  return {
      largest, largest, {std::max(0.0, largest - half), std::min(1.0, largest + half), confidence}};
}

ChiSquare Homogeneity(Counts reference, Counts current) {
  CheckTable(reference, current);
  const double n = Sum(reference), m = Sum(current);
  const double smaller = std::min(n, m) / (n + m);
  struct Cell {
    double reference = 0, current = 0;
    [[nodiscard]] double all() const { return reference + current; }
  };
  std::vector<Cell> cells;
  Cell rest;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const Cell cell{static_cast<double>(reference[i]), static_cast<double>(current[i])};
    if (cell.all() * smaller >= kExpectedLeast) {
      cells.push_back(cell);
    } else {
      rest.reference += cell.reference;
      rest.current += cell.current;
    }
  }
  if (rest.all() * smaller < kExpectedLeast && !cells.empty()) {
    // Still too few: with the rarest of the others.
    const auto rarest = std::ranges::min_element(cells, {}, &Cell::all);
    rarest->reference += rest.reference;
    rarest->current += rest.current;
  } else if (rest.all() > 0) {
    cells.push_back(rest);
  }
  ChiSquare test;
  test.degrees = static_cast<int>(cells.size()) - 1;
  if (test.degrees < 1) return {};
  for (const Cell& cell : cells) {
    const double expected = cell.all() * n / (n + m), other = cell.all() * m / (n + m);
    test.statistic += (cell.reference - expected) * (cell.reference - expected) / expected +
                      (cell.current - other) * (cell.current - other) / other;
  }
  const boost::math::chi_squared_distribution<double, statistics::Quiet> under(test.degrees);
  test.p = boost::math::cdf(boost::math::complement(under, test.statistic));
  return test;
}

}  // namespace muster::registry::monitor
