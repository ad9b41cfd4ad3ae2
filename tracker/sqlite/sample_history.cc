#include <algorithm>

#include "tracker/run_rules.h"
#include "tracker/series/sample.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// Runs of points, the tail last, whose order by step is their order in time.
struct Parts {
  struct Part {
    std::int64_t chunk = 0;
    std::size_t points = 0;
  };
  std::vector<Part> chunks;
  std::vector<Point> tail;
  std::size_t rows = 0;
};

/// Nothing when it is not so: steps go back, or late points wait in the tail.
Result<std::optional<Parts>> PartsByStep(Database& db, std::int64_t series) {
  Parts parts;
  Statement rows = db.Prepare(
      "SELECT id, points, first_step, max_step, by_step FROM chunks WHERE series = ? "
      "ORDER BY first_ts, first_step, first_value, first_nan");
  rows.Bind(0, series);
  std::int64_t last_step = std::numeric_limits<std::int64_t>::min();
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    if (rows.Int(4) == 0 || rows.Int(2) < last_step) return std::optional<Parts>();
    last_step = rows.Int(3);
    parts.chunks.push_back({rows.Int(0), static_cast<std::size_t>(rows.Int(1))});
    parts.rows += parts.chunks.back().points;
  }
  MUSTER_ASSIGN_OR_RETURN(Tail tail, ReadTail(db, series));
  parts.tail = std::move(tail.points);
  parts.rows += parts.tail.size();
  if (parts.tail.empty()) return std::optional(std::move(parts));
  if (!parts.chunks.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto last, ReadChunk(db, parts.chunks.back().chunk));
    if (!Before(last.back(), parts.tail.front())) return std::optional<Parts>();
  }
  if (parts.tail.front().step < last_step) return std::optional<Parts>();
  if (!std::ranges::is_sorted(parts.tail, {}, &Point::step)) return std::optional<Parts>();
  return std::optional(std::move(parts));
}

/// The points of those rows, reading only the chunks that they are in.
Result<std::vector<Point>> Pick(Database& db, const Parts& parts,
                                const std::vector<std::size_t>& wanted) {
  std::vector<Point> picked;
  auto next = wanted.begin();
  std::size_t begin = 0;
  for (const Parts::Part& part : parts.chunks) {
    std::vector<std::size_t> rows;
    for (; next != wanted.end() && *next < begin + part.points; ++next) {
      rows.push_back(*next - begin);
    }
    if (!rows.empty()) MUSTER_RETURN_IF_ERROR(ReadChunkRows(db, part.chunk, rows, picked));
    begin += part.points;
  }
  for (; next != wanted.end(); ++next) picked.push_back(parts.tail[*next - begin]);
  return picked;
}

/// All that is asked for, by step.
Result<std::vector<Point>> ReadByStep(Database& db, std::int64_t series,
                                      const std::optional<StepRange>& steps,
                                      const std::vector<Resume>& resumes) {
  std::vector<Point> all;
  MUSTER_RETURN_IF_ERROR(VisitPoints(db, series, std::nullopt, [&](std::span<const Point> points) {
    for (const Point& point : points) {
      if (steps && (point.step < steps->first || point.step > steps->last)) continue;
      if (!IsHidden(point.attempt, point.step, resumes)) all.push_back(point);
    }
    return true;
  }));
  std::ranges::stable_sort(all, {}, &Point::step);  // they come by time, value and NaN
  return all;
}

}  // namespace

Result<std::vector<Metric>> ReadSample(Database& db, const RunId& run_id, std::string_view key,
                                       const std::optional<StepRange>& steps, std::size_t most) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  MUSTER_ASSIGN_OR_RETURN(const auto series, FindSeries(db, run.row, key));
  if (!series) return std::vector<Metric>();
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run.row));
  std::optional<Parts> parts;
  if (!steps && resumes.empty()) {
    MUSTER_ASSIGN_OR_RETURN(parts, PartsByStep(db, *series));
  }
  std::vector<Point> sampled;
  if (parts) {
    MUSTER_ASSIGN_OR_RETURN(sampled, Pick(db, *parts, SampledRows(parts->rows, most)));
  } else {
    MUSTER_ASSIGN_OR_RETURN(const auto all, ReadByStep(db, *series, steps, resumes));
    for (const std::size_t row : SampledRows(all.size(), most)) sampled.push_back(all[row]);
  }
  std::vector<Metric> metrics;
  metrics.reserve(sampled.size());
  for (const Point& point : sampled) {
    metrics.push_back({.key = std::string(key),
                       .value = point.value,
                       .timestamp_ms = point.ts_ms,
                       .step = point.step,
                       .attempt = point.attempt});
  }
  return metrics;
}

}  // namespace muster::tracker
