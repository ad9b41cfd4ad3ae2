#include "tracker/sqlite/outline.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "tracker/series/merge.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

void DropHidden(std::vector<Point>& points, std::span<const Resume> resumes) {
  if (resumes.empty()) return;
  std::erase_if(points,
                [&](const Point& point) { return IsHidden(point.attempt, point.step, resumes); });
}

/// Keeps only what is visible of a chunk, and what that looks like.
Status ShowVisible(Database& db, ChunkOutline& chunk, std::span<const Resume> resumes) {
  MUSTER_ASSIGN_OR_RETURN(chunk.points, ReadChunk(db, chunk.id));
  const std::size_t all = chunk.points.size();
  DropHidden(chunk.points, resumes);
  if (chunk.points.size() == all) {
    chunk.points.clear();
    return Ok();
  }
  chunk.by_step = std::ranges::is_sorted(chunk.points, {}, &Point::step);
  chunk.buckets.clear();
  for (std::size_t i = 0; i < chunk.points.size(); ++i) {
    if (i % kBucketPoints == 0) chunk.buckets.emplace_back();
    chunk.buckets.back().Add(chunk.points[i]);
  }
  return Ok();
}

/// True when chunks and tail, one after the other, go from left to right, so that buckets can stand for their
/// points. By step they may not; and what is late, or logged again, is in the tail.
bool InOrder(Axis axis, const Outline& outline) {
  std::optional<std::int64_t> x;
  const auto follows = [&](std::int64_t first, std::int64_t last) {
    const bool right = !x || *x <= first;
    x = last;
    return right;
  };
  for (const ChunkOutline& chunk : outline.chunks) {
    if (axis == Axis::kStep && !chunk.by_step) return false;
    const Bucket &first = chunk.buckets.front(), &last = chunk.buckets.back();
    if (!follows(FirstX(axis, first), LastX(axis, last))) return false;
  }
  const std::vector<Point>& tail = outline.tail;
  if (tail.empty()) return true;
  if (axis == Axis::kStep && !std::ranges::is_sorted(tail, {}, &Point::step)) return false;
  // A repeated point would be counted twice.
  if (!outline.chunks.empty() &&
      tail.front().ts_ms <= outline.chunks.back().buckets.back().last_ts) {
    return false;
  }
  return follows(XOf(axis, tail.front()), XOf(axis, tail.back()));
}

/// The buckets of `chunk`, or where one is too coarse its points.
Status AddChunkTo(Database& db, Chart& chart, const ChartWindow& window,
                  const ChunkOutline& chunk) {
  std::vector<Point> read;
  for (std::size_t i = 0; i < chunk.buckets.size(); ++i) {
    const Bucket& bucket = chunk.buckets[i];
    if (LastX(window.axis, bucket) < window.begin || FirstX(window.axis, bucket) > window.end) {
      continue;
    }
    if (chart.Fits(bucket)) {
      chart.Add(bucket);
      continue;
    }
    if (chunk.points.empty() && read.empty()) {
      MUSTER_ASSIGN_OR_RETURN(read, ReadChunk(db, chunk.id));
    }
    const std::vector<Point>& points = chunk.points.empty() ? read : chunk.points;
    const std::size_t end = std::min((i + 1) * kBucketPoints, points.size());
    for (std::size_t at = i * kBucketPoints; at < end; ++at) chart.Add(points[at]);
  }
  return Ok();
}

}  // namespace

std::size_t Outline::PointsIn(const ChartWindow& window) const {
  std::size_t points = tail.size();
  for (const ChunkOutline& chunk : chunks) {
    for (const Bucket& bucket : chunk.buckets) {
      const bool inside =
          LastX(window.axis, bucket) >= window.begin && FirstX(window.axis, bucket) <= window.end;
      if (inside) points += bucket.points;
    }
  }
  return points;
}

Result<Outline> ReadOutline(Database& db, std::int64_t series, std::span<const Resume> resumes) {
  Outline outline{.series = series};
  Statement rows = db.Prepare(
      "SELECT id, by_step, buckets, max_step, min_attempt FROM chunks WHERE series = ? ORDER BY "
      "first_ts, first_step, first_value, first_nan");
  rows.Bind(0, series);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    ChunkOutline chunk{.id = rows.Int(0), .by_step = rows.Int(1) != 0};
    const Status status = DecodeBuckets(rows.Text(2), chunk.buckets);
    if (!status.ok() || chunk.buckets.empty()) {
      return Corrupt("row " + std::to_string(chunk.id) + " of chunks has broken buckets");
    }
    // Points of no attempt are never hidden, but others may stand beside them.
    if (IsHidden(std::max<std::int64_t>(1, rows.Int(4)), rows.Int(3), resumes)) {
      MUSTER_RETURN_IF_ERROR(ShowVisible(db, chunk, resumes));
    }
    if (!chunk.buckets.empty()) outline.chunks.push_back(std::move(chunk));
  }
  MUSTER_ASSIGN_OR_RETURN(Tail tail, ReadTail(db, series));
  DropHidden(tail.points, resumes);
  outline.tail = std::move(tail.points);
  return outline;
}

Result<std::pair<std::int64_t, std::int64_t>> EndsOf(Database& db, Axis axis,
                                                     const Outline& outline,
                                                     std::span<const Resume> resumes) {
  if (InOrder(axis, outline)) {
    return std::pair(outline.chunks.empty() ? XOf(axis, outline.tail.front())
                                            : FirstX(axis, outline.chunks.front().buckets.front()),
                     outline.tail.empty() ? LastX(axis, outline.chunks.back().buckets.back())
                                          : XOf(axis, outline.tail.back()));
  }
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t first = Limits::max(), last = Limits::min();
  MUSTER_RETURN_IF_ERROR(VisitVisible(db, outline.series, resumes, [&](const Point& point) {
    first = std::min(first, XOf(axis, point));
    last = std::max(last, XOf(axis, point));
  }));
  return std::pair(first, last);
}

Result<std::vector<Bucket>> ColumnsOf(Database& db, const ChartWindow& window,
                                      const Outline& outline, std::span<const Resume> resumes) {
  Chart chart(window);
  if (!InOrder(window.axis, outline)) {
    MUSTER_RETURN_IF_ERROR(
        VisitVisible(db, outline.series, resumes, [&](const Point& point) { chart.Add(point); }));
    return chart.Columns();
  }
  for (const ChunkOutline& chunk : outline.chunks) {
    MUSTER_RETURN_IF_ERROR(AddChunkTo(db, chart, window, chunk));
  }
  for (const Point& point : outline.tail) chart.Add(point);
  return chart.Columns();
}

Result<std::vector<Point>> RecentOf(Database& db, const Outline& outline, std::size_t most) {
  std::vector<Point> recent;
  // Chunks from the last one on, until what is late in the tail cannot lie before all of them.
  for (auto chunk = outline.chunks.rbegin(); chunk != outline.chunks.rend(); ++chunk) {
    const bool newer =
        outline.tail.size() >= most &&
        outline.tail[outline.tail.size() - most].ts_ms > chunk->buckets.back().last_ts;
    if (recent.size() >= most || newer) break;
    std::vector<Point> points = chunk->points;
    if (points.empty()) {
      MUSTER_ASSIGN_OR_RETURN(points, ReadChunk(db, chunk->id));
    }
    points.insert(points.end(), recent.begin(), recent.end());
    recent = std::move(points);
  }
  MergePoints(recent, outline.tail);
  if (recent.size() > most)
    recent.erase(recent.begin(), recent.end() - static_cast<std::ptrdiff_t>(most));
  return recent;
}

}  // namespace muster::tracker
