#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "tracker/series/bucket.h"

/// A curve in as many columns as a screen has pixels, each with all that one pixel column can show: where it
/// begins and ends, its extremes, its last value, NaNs and infinities. Pure; any thread.

namespace muster::tracker {

inline constexpr std::size_t kMaxPixels = 4'000;

enum class Axis { kStep, kTime };

/// What of a curve is looked at: both ends belong to it.
struct ChartWindow {
  Axis axis = Axis::kStep;
  std::int64_t begin = std::numeric_limits<std::int64_t>::min();
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  std::size_t pixels = 320;  ///< 1 to kMaxPixels
};

inline std::int64_t XOf(Axis axis, const Point& point) {
  return axis == Axis::kStep ? point.step : point.ts_ms;
}
inline std::int64_t FirstX(Axis axis, const Bucket& bucket) {
  return axis == Axis::kStep ? bucket.first_step : bucket.first_ts;
}
inline std::int64_t LastX(Axis axis, const Bucket& bucket) {
  return axis == Axis::kStep ? bucket.last_step : bucket.last_ts;
}

/// The window with the curve's own ends where none are given.
ChartWindow WithEnds(ChartWindow window, std::int64_t first, std::int64_t last);

/// The column of a window with both ends in which `x`, which lies in it, is shown; from 0.
std::size_t ColumnOf(const ChartWindow& window, std::int64_t x);

/// Sorts points and buckets into the columns of a window whose ends are those of what is shown.
class Chart {
 public:
  explicit Chart(const ChartWindow& window) : window_(window), columns_(window.pixels) {}

  /// Points outside the window are left out. Points come in history order; by step, which may not be its order,
  /// the largest step is a column's last.
  void Add(const Point& point);
  /// All of it goes to the column in which it begins.
  void Add(const Bucket& bucket);
  /// True when a bucket is no wider than a column, so that it may be added as a whole.
  [[nodiscard]] bool Fits(const Bucket& bucket) const;
  /// The columns that have points, from left to right.
  [[nodiscard]] std::vector<Bucket> Columns() const;

 private:
  [[nodiscard]] Bucket& ColumnAt(std::int64_t x) { return columns_[ColumnOf(window_, x)]; }

  const ChartWindow window_;
  std::vector<Bucket> columns_;
};

}  // namespace muster::tracker
