#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/base/random.h"
#include "tracker/series/merge.h"

namespace muster::tracker {

/// A series of `count` points or fewer (what repeats is one) of a kind that `random` chooses: from a steady
/// curve to values of any bits at times of any size.
inline std::vector<Point> SeriesOf(Random& random, std::size_t count) {
  const auto kind = random.Below(6);
  std::vector<Point> points;
  std::int64_t ts = static_cast<std::int64_t>(random.Below(2'000'000'000'000));
  std::int64_t step = static_cast<std::int64_t>(random.Below(1000)) - 500;
  double value = random.Normal();
  for (std::size_t i = 0; i < count; ++i) {
    ts += kind == 0 ? 100 : static_cast<std::int64_t>(random.Below(200));
    step += kind == 3 ? static_cast<std::int64_t>(random.Below(3)) - 1 : 1;
    value += random.Normal() / 100;
    Point point{ts, step, value, static_cast<std::int64_t>(kind == 4 ? random.Below(4) : 0)};
    if (kind == 1) point.value = static_cast<double>(static_cast<float>(value));
    if (kind == 2) point.value = static_cast<double>(random.Below(3));
    if (kind == 5) {
      point.ts_ms = static_cast<std::int64_t>(random.Next());
      point.step = static_cast<std::int64_t>(random.Next());
      point.attempt = static_cast<std::int64_t>(random.Next());
      point.value = std::bit_cast<double>(random.Next());
    }
    if (random.Chance(0.02)) point.value = std::numeric_limits<double>::quiet_NaN();
    if (random.Chance(0.02)) point.value = std::numeric_limits<double>::infinity();
    if (std::isnan(point.value)) point.value = std::numeric_limits<double>::quiet_NaN();
    points.push_back(point);
  }
  SortPoints(points);
  return points;
}

/// The same, attempts and bits of values too.
inline bool Identical(const std::vector<Point>& a, const std::vector<Point>& b) {
  return std::ranges::equal(a, b, [](const Point& x, const Point& y) {
    return Same(x, y) && x.attempt == y.attempt &&
           std::bit_cast<std::uint64_t>(x.value) == std::bit_cast<std::uint64_t>(y.value);
  });
}

}  // namespace muster::tracker
