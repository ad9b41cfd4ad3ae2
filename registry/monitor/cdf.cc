#include "registry/monitor/cdf.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/base/check.h"

namespace muster::registry::monitor {
namespace {

/// Reads a Cdf at ascending values.
class Cursor {
 public:
  explicit Cursor(const Cdf& cdf) : points_(cdf.points) {}

  /// Shares below and through `value`, which is not less than those before.
  CdfPoint At(double value) {
    while (next_ < points_.size() && points_[next_].value < value) ++next_;
    if (next_ == points_.size()) return {value, 1, 1};
    const CdfPoint& after = points_[next_];
    if (after.value == value) return after;
    if (next_ == 0) return {value, 0, 0};
    const CdfPoint& before = points_[next_ - 1];
    const double way = (value - before.value) / (after.value - before.value);
    const double share = before.through + way * (after.below - before.through);
    return {value, share, share};
  }

 private:
  const std::vector<CdfPoint>& points_;
  std::size_t next_ = 0;
};

/// Mean and mean square of the potential under one of the two distributions.
struct Moments {
  double mean = 0, square = 0;

  void Add(double share, double from, double to) {
    mean += share * (from + to) / 2;
    square += share * (from * from + from * to + to * to) / 3;
  }
  [[nodiscard]] double variance() const { return std::max(0.0, square - mean * mean); }
};

std::vector<double> Values(const Cdf& a, const Cdf& b) {
  std::vector<double> values;
  values.reserve(a.points.size() + b.points.size());
  for (const Cdf* cdf : {&a, &b}) {
    for (const CdfPoint& point : cdf->points) values.push_back(point.value);
  }
  std::ranges::sort(values);
  const auto again = std::ranges::unique(values);
  values.erase(again.begin(), again.end());
  return values;
}

/// Of sqrt(F (1 - F)), by Simpson's rule: exact enough of a line.
double Spread(double from, double to) {
  const auto root = [](double share) { return std::sqrt(std::max(0.0, share * (1 - share))); };
  return (root(from) + 4 * root((from + to) / 2) + root(to)) / 6;
}

}  // namespace

Cdf CdfOf(const QuantileSketch& sketch) {
  MUSTER_CHECK(sketch.count() > 0, "a distribution is of one number at least");
  Cdf cdf{{}, sketch.count(), sketch.rank_error()};
  const auto count = static_cast<double>(sketch.count());
  double below = 0;
  const auto add = [&](double value, double through) {
    if (!cdf.points.empty() && cdf.points.back().value == value) {
      cdf.points.back().through = through;
    } else {
      cdf.points.push_back({value, below, through});
    }
    below = through;
  };
  // The ends are known even where the sketch dropped them.
  add(sketch.min(), 0);
  for (const auto& step : sketch.Steps())
    add(step.value, static_cast<double>(step.through) / count);
  add(sketch.max(), 1);
  return cdf;
}

CdfDistance Distance(const Cdf& reference, const Cdf& current) {
  Cursor reference_at(reference), current_at(current);
  CdfDistance distance;
  Moments of_reference, of_current;
  double potential = 0;
  CdfPoint f_before, g_before;
  bool first = true;
  for (const double value : Values(reference, current)) {
    const CdfPoint f = reference_at.At(value), g = current_at.At(value);
    if (!first) {
      const double length = value - f_before.value;
      const double from = f_before.through - g_before.through, to = f.below - g.below;
      const double size = std::abs(from) + std::abs(to);
      const bool crosses = (from < 0) != (to < 0) && from != 0 && to != 0;
      if (size > 0) {
        distance.wasserstein +=
            length * (crosses ? (from * from + to * to) / (2 * size) : size / 2);
      }
      const double sign = from + to < 0 ? -1 : 1;
      const double rise = size > 0 ? sign * length * (crosses ? std::abs(from + to) / size : 1) : 0;
      of_reference.Add(f.below - f_before.through, potential, potential + rise);
      of_current.Add(g.below - g_before.through, potential, potential + rise);
      potential += rise;
      distance.wasserstein_chance += length * Spread(f_before.through, f.below);
    }
    first = false;
    of_reference.Add(f.through - f.below, potential, potential);
    of_current.Add(g.through - g.below, potential, potential);
    distance.kolmogorov_smirnov =
        std::max({distance.kolmogorov_smirnov, std::abs(f.below - g.below),
                  std::abs(f.through - g.through)});
    f_before = f;
    g_before = g;
  }
  const auto n = static_cast<double>(reference.count), m = static_cast<double>(current.count);
  distance.wasserstein_error = std::sqrt(of_reference.variance() / n + of_current.variance() / m);
  distance.wasserstein_chance *= std::sqrt(2 / std::numbers::pi * (1 / n + 1 / m));
  return distance;
}

double KolmogorovUpperTail(double z) {
  if (std::isnan(z)) return z;
  if (z <= 0) return 1;
  // Two series of one function; each converges within some terms on its side.
  if (z < 1.18) {
    const double x = std::exp(-std::numbers::pi * std::numbers::pi / (8 * z * z));
    double sum = 0;
    for (int k = 1; k <= 9; k += 2) sum += std::pow(x, k * k);
    return 1 - std::sqrt(2 * std::numbers::pi) / z * sum;
  }
  double sum = 0;
  for (int k = 1; k <= 6; ++k) sum += (k % 2 == 1 ? 1 : -1) * std::exp(-2.0 * k * k * z * z);
  return std::min(1.0, 2 * sum);
}

}  // namespace muster::registry::monitor
