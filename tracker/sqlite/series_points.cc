#include "tracker/sqlite/series_points.h"

#include <algorithm>

#include "tracker/series/chunk_codec.h"
#include "tracker/series/merge.h"
#include "tracker/sqlite/chunks.h"

namespace muster::tracker {

using sqlite::Database;
using sqlite::Statement;

Result<std::optional<std::int64_t>> FindSeries(Database& db, std::int64_t run,
                                               const SeriesKey& series) {
  Statement row = db.Prepare("SELECT id FROM series WHERE run = ? AND key = ? AND rank = ?");
  row.BindAll(run, series.key, series.rank);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? std::optional(row.Int(0)) : std::nullopt;
}

Result<Tail> ReadTail(Database& db, std::int64_t series) {
  Statement rows = db.Prepare("SELECT seq, points FROM tail WHERE series = ? ORDER BY seq");
  rows.Bind(0, series);
  Tail tail;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    const Status status = DecodeChunk(rows.Text(1), tail.points);
    if (!status.ok()) {
      return status.error().With("row " + std::to_string(rows.Int(0)) + " of the tail of series " +
                                 std::to_string(series));
    }
    ++tail.rows;
    tail.next_seq = rows.Int(0) + 1;
  }
  SortPoints(tail.points);
  return tail;
}

Status VisitPoints(Database& db, std::int64_t series, const std::optional<Point>& after,
                   const std::function<bool(std::span<const Point>)>& take) {
  MUSTER_ASSIGN_OR_RETURN(const Tail read, ReadTail(db, series));
  std::span<const Point> tail = read.points;
  const auto behind = [&](std::span<const Point> points) {
    if (!after) return points;
    const auto begin = std::ranges::upper_bound(points, *after, Before);
    return points.subspan(static_cast<std::size_t>(begin - points.begin()));
  };
  tail = behind(tail);
  bool more = true;
  MUSTER_RETURN_IF_ERROR(
      VisitChunks(db, series, after, [&](std::vector<Point>& points) -> Result<bool> {
        // What of the tail belongs before this chunk's end comes with it.
        const auto until = std::ranges::upper_bound(tail, points.back(), Before);
        const auto count = static_cast<std::size_t>(until - tail.begin());
        MergePoints(points, tail.first(count));
        tail = tail.subspan(count);
        const std::span<const Point> rest = behind(points);
        if (!rest.empty()) more = take(rest);
        return more;
      }));
  if (more && !tail.empty()) take(tail);
  return Ok();
}

Status VisitVisible(Database& db, std::int64_t series, std::span<const Resume> resumes,
                    const std::function<void(const Point&)>& take) {
  return VisitPoints(db, series, std::nullopt, [&](std::span<const Point> points) {
    for (const Point& point : points) {
      if (!IsHidden(point.attempt, point.step, resumes)) take(point);
    }
    return true;
  });
}

}  // namespace muster::tracker
