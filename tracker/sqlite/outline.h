#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/run_rules.h"
#include "tracker/series/chart.h"

/// The visible points of a series for charts, mostly without reading them: the chunks' buckets stand for them. Only a
/// chunk of which some points are hidden is read.

namespace muster::tracker {

struct ChunkOutline {
  std::int64_t id = 0;
  bool by_step = false;  ///< steps never fall
  std::vector<Bucket> buckets;
  std::vector<Point> points;  ///< the visible ones, if some are hidden; the buckets are then theirs
};

struct Outline {
  std::int64_t series = 0;
  std::vector<ChunkOutline> chunks;  ///< in history order, each with a point
  std::vector<Point> tail;           ///< in history order

  [[nodiscard]] bool empty() const { return chunks.empty() && tail.empty(); }
  /// Points that may lie in the window.
  [[nodiscard]] std::size_t PointsIn(const ChartWindow& window) const;
};
Result<Outline> ReadOutline(sqlite::Database& db, std::int64_t series,
                            std::span<const Resume> resumes);

/// The smallest and the largest x of an outline that is not empty.
Result<std::pair<std::int64_t, std::int64_t>> EndsOf(sqlite::Database& db, Axis axis,
                                                     const Outline& outline,
                                                     std::span<const Resume> resumes);

/// The columns of one series. `window` has both ends.
Result<std::vector<Bucket>> ColumnsOf(sqlite::Database& db, const ChartWindow& window,
                                      const Outline& outline, std::span<const Resume> resumes);

/// The last `most` visible points, in history order.
Result<std::vector<Point>> RecentOf(sqlite::Database& db, const Outline& outline, std::size_t most);

}  // namespace muster::tracker
