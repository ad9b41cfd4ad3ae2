#pragma once

#include <cmath>
#include <compare>
#include <cstdint>
#include <tuple>

namespace muster::tracker {

/// One point of a series as it is stored. Any NaN is one NaN, and -0.0 is 0.0.
struct Point {
  std::int64_t ts_ms = 0;
  std::int64_t step = 0;
  double value = 0;
  std::int64_t attempt = 0;  ///< who wrote it; 0 for nobody in particular; no part of its identity

  /// Its identity, in MLflow's order of a history: (timestamp, step, value), NaN in the place of 0 and last
  /// among equals.
  [[nodiscard]] std::tuple<std::int64_t, std::int64_t, double, bool> key() const {
    const bool nan = std::isnan(value);
    return {ts_ms, step, nan ? 0.0 : value, nan};
  }
};

/// Strictly before in history order; neither before the other: the same point.
inline bool Before(const Point& a, const Point& b) {
  if (a.ts_ms != b.ts_ms) return a.ts_ms < b.ts_ms;
  return a.key() < b.key();
}
/// What MLflow shows as a metric's value is the last by (step, timestamp, value), NaN in the place of 0.
inline bool IsLater(const Point& a, const Point& b) {
  const auto key = [](const Point& point) {
    return std::tuple(point.step, point.ts_ms, std::isnan(point.value) ? 0.0 : point.value);
  };
  return key(a) > key(b);
}
inline bool Same(const Point& a, const Point& b) { return a.key() == b.key(); }

}  // namespace muster::tracker
