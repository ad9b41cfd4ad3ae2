#include "tracker/series/chart.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "tracker/run_rules.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

struct Summary {
  std::int64_t id = 0;  // of the chunk
  bool by_step = false;
  std::vector<Bucket> buckets;
};

Result<std::vector<Summary>> ReadSummaries(Database& db, std::int64_t series) {
  Statement rows = db.Prepare(
      "SELECT id, by_step, buckets FROM chunks WHERE series = ? ORDER BY "
      "first_ts, first_step, first_value, first_nan");
  rows.Bind(0, series);
  std::vector<Summary> summaries;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return summaries;
    Summary& summary = summaries.emplace_back();
    summary.id = rows.Int(0);
    summary.by_step = rows.Int(1) != 0;
    const Status status = DecodeBuckets(rows.Text(2), summary.buckets);
    if (!status.ok() || summary.buckets.empty()) {
      return Corrupt("row " + std::to_string(summary.id) + " of chunks has broken buckets");
    }
  }
}

/// True when chunks and tail, one after the other, go from left to right, so that buckets can stand for their
/// points. By step they may not; and what is late, or logged again, is in the tail.
bool InOrder(Axis axis, const std::vector<Summary>& summaries, const std::vector<Point>& tail) {
  std::optional<std::int64_t> x;
  const auto follows = [&](std::int64_t first, std::int64_t last) {
    const bool right = !x || *x <= first;
    x = last;
    return right;
  };
  for (const Summary& summary : summaries) {
    if (axis == Axis::kStep && !summary.by_step) return false;
    const Bucket &first = summary.buckets.front(), &last = summary.buckets.back();
    if (!follows(FirstX(axis, first), LastX(axis, last))) return false;
  }
  if (tail.empty()) return true;
  if (axis == Axis::kStep && !std::ranges::is_sorted(tail, {}, &Point::step)) return false;
  // A repeated point would be counted twice.
  if (!summaries.empty() && tail.front().ts_ms <= summaries.back().buckets.back().last_ts)
    return false;
  return follows(XOf(axis, tail.front()), XOf(axis, tail.back()));
}

/// The buckets of `summary`, or where one is too coarse its points.
Status AddSummary(Database& db, Chart& chart, const ChartWindow& window, const Summary& summary) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < summary.buckets.size(); ++i) {
    const Bucket& bucket = summary.buckets[i];
    if (LastX(window.axis, bucket) < window.begin || FirstX(window.axis, bucket) > window.end) {
      continue;
    }
    if (chart.Fits(bucket)) {
      chart.Add(bucket);
      continue;
    }
    if (points.empty()) {
      MUSTER_ASSIGN_OR_RETURN(points, ReadChunk(db, summary.id));
    }
    const std::size_t end = std::min((i + 1) * kBucketPoints, points.size());
    for (std::size_t at = i * kBucketPoints; at < end; ++at) chart.Add(points[at]);
  }
  return Ok();
}

Result<std::vector<Bucket>> FromBuckets(Database& db, ChartWindow window,
                                        const std::vector<Summary>& summaries,
                                        const std::vector<Point>& tail) {
  // All goes from left to right.
  const std::int64_t first = summaries.empty()
                                 ? XOf(window.axis, tail.front())
                                 : FirstX(window.axis, summaries.front().buckets.front());
  const std::int64_t last = tail.empty() ? LastX(window.axis, summaries.back().buckets.back())
                                         : XOf(window.axis, tail.back());
  window = WithEnds(window, first, last);
  Chart chart(window);
  for (const Summary& summary : summaries) {
    MUSTER_RETURN_IF_ERROR(AddSummary(db, chart, window, summary));
  }
  for (const Point& point : tail) chart.Add(point);
  return chart.Columns();
}

Result<std::vector<Bucket>> FromPoints(Database& db, std::int64_t series, ChartWindow window,
                                       const std::vector<Resume>& resumes) {
  const auto visit = [&](const std::function<void(const Point&)>& take) {
    return VisitPoints(db, series, std::nullopt, [&](std::span<const Point> points) {
      for (const Point& point : points) {
        if (!IsHidden(point.attempt, point.step, resumes)) take(point);
      }
      return true;
    });
  };
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t first = Limits::max(), last = Limits::min();
  MUSTER_RETURN_IF_ERROR(visit([&](const Point& point) {
    first = std::min(first, XOf(window.axis, point));
    last = std::max(last, XOf(window.axis, point));
  }));
  window = WithEnds(window, first, last);
  Chart chart(window);
  MUSTER_RETURN_IF_ERROR(visit([&](const Point& point) { chart.Add(point); }));
  return chart.Columns();
}

}  // namespace

Result<std::vector<Bucket>> ReadChart(Database& db, const RunId& run_id, std::string_view key,
                                      const ChartWindow& window) {
  MUSTER_RETURN_IF_ERROR(CheckChartWindow(window));
  const auto run = FindRun(db, run_id);
  if (!run && run.error().kind == ErrorKind::kNotFound) return std::vector<Bucket>();
  if (!run) return run.error();
  MUSTER_ASSIGN_OR_RETURN(const auto series, FindSeries(db, run->row, key));
  if (!series) return std::vector<Bucket>();
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run->row));
  if (!resumes.empty()) return FromPoints(db, *series, window, resumes);
  MUSTER_ASSIGN_OR_RETURN(const auto summaries, ReadSummaries(db, *series));
  MUSTER_ASSIGN_OR_RETURN(const Tail tail, ReadTail(db, *series));
  if (summaries.empty() && tail.points.empty()) return std::vector<Bucket>();
  if (!InOrder(window.axis, summaries, tail.points)) return FromPoints(db, *series, window, {});
  return FromBuckets(db, window, summaries, tail.points);
}

}  // namespace muster::tracker
