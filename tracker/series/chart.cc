#include "tracker/series/chart.h"

#include <algorithm>

namespace muster::tracker {

namespace {

/// May be as wide as all numbers: as doubles, which lose less than a pixel.
double Width(std::int64_t begin, std::int64_t end) {
  return static_cast<double>(end) - static_cast<double>(begin);
}

}  // namespace

ChartWindow WithEnds(ChartWindow window, std::int64_t first, std::int64_t last) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (window.begin == Limits::min()) window.begin = first;
  if (window.end == Limits::max()) window.end = last;
  return window;
}

std::size_t ColumnOf(const ChartWindow& window, std::int64_t x) {
  // Multiplied first: whole numbers stay whole, and a border lies where it should.
  const double place = Width(window.begin, x) * static_cast<double>(window.pixels) /
                       (Width(window.begin, window.end) + 1);
  return std::min(static_cast<std::size_t>(place), window.pixels - 1);
}

void Chart::Add(const Point& point) {
  const std::int64_t x = XOf(window_.axis, point);
  if (x < window_.begin || x > window_.end) return;
  Bucket& column = ColumnAt(x);
  const Bucket before = column;
  column.Add(point);
  if (before.points == 0) return;
  // By step what comes later may lie to the left.
  if (x < LastX(window_.axis, before)) {
    column.last_ts = before.last_ts;
    column.last_step = before.last_step;
    column.last = before.last;
  }
  if (x < FirstX(window_.axis, before)) {
    column.first_ts = point.ts_ms;
    column.first_step = point.step;
  }
}

void Chart::Add(const Bucket& bucket) { ColumnAt(FirstX(window_.axis, bucket)).Add(bucket); }

bool Chart::Fits(const Bucket& bucket) const {
  const std::int64_t first = FirstX(window_.axis, bucket), last = LastX(window_.axis, bucket);
  if (first < window_.begin || last > window_.end) return false;
  const double column =
      (Width(window_.begin, window_.end) + 1) / static_cast<double>(columns_.size());
  return Width(first, last) <= column;
}

std::vector<Bucket> Chart::Columns() const {
  std::vector<Bucket> columns;
  for (const Bucket& column : columns_) {
    if (column.points > 0) columns.push_back(column);
  }
  return columns;
}

}  // namespace muster::tracker
