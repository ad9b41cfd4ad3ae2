#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/run_rules.h"
#include "tracker/run_store.h"
#include "tracker/series/point.h"

/// All points of a series, in history order, wherever they are: in chunks, or in the tail of what is not yet
/// sealed. What is late, and what takes over an attempt, is in the tail although its place is among the chunks.

namespace muster::tracker {

/// Nothing when the run has no such series.
Result<std::optional<std::int64_t>> FindSeries(sqlite::Database& db, std::int64_t run,
                                               const SeriesKey& series);

struct Tail {
  std::vector<Point> points;  ///< as SortPoints leaves them
  std::int64_t rows = 0;
  std::int64_t next_seq = 0;
};
Result<Tail> ReadTail(sqlite::Database& db, std::int64_t series);

/// Hands over the points after `after` (nothing: all), in pieces, until `take` answers false. kCorrupt.
Status VisitPoints(sqlite::Database& db, std::int64_t series, const std::optional<Point>& after,
                   const std::function<bool(std::span<const Point>)>& take);

/// Hands over the points that nothing hides, one after the other. kCorrupt.
Status VisitVisible(sqlite::Database& db, std::int64_t series, std::span<const Resume> resumes,
                    const std::function<void(const Point&)>& take);

}  // namespace muster::tracker
