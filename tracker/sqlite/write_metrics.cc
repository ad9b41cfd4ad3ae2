#include "tracker/sqlite/write_metrics.h"

#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "tracker/series/chunk_codec.h"
#include "tracker/series/merge.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/seal.h"
#include "tracker/sqlite/series_summary.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

Point PointOf(const Metric& metric) {
  // Any NaN is one NaN, and adding 0 makes -0.0 the 0.0 that it equals.
  const double value =
      std::isnan(metric.value) ? std::numeric_limits<double>::quiet_NaN() : metric.value + 0.0;
  return {metric.timestamp_ms, metric.step, value, metric.attempt};
}

/// By key and rank, in the order in which these come first.
std::vector<std::pair<SeriesKey, std::vector<Point>>> BySeries(const std::vector<Metric>& metrics) {
  std::vector<std::pair<SeriesKey, std::vector<Point>>> all;
  std::map<std::pair<std::string_view, int>, std::size_t> places;
  for (const Metric& metric : metrics) {
    const bool same =
        !all.empty() && all.back().first.key == metric.key && all.back().first.rank == metric.rank;
    if (!same) {
      const auto [place, made] =
          places.emplace(std::pair(std::string_view(metric.key), metric.rank), all.size());
      if (!made) {
        all[place->second].second.push_back(PointOf(metric));
        continue;
      }
      all.emplace_back(SeriesKey(metric.key, metric.rank), std::vector<Point>());
    }
    all.back().second.push_back(PointOf(metric));
  }
  return all;
}

/// Takes out what is stored already, by the same attempt or a younger one.
Status DropKnown(Database& db, const OpenSeries& series, std::vector<Point>& points) {
  const auto is_known = [](const Point* known, const Point& point) {
    return known != nullptr && known->attempt >= point.attempt;
  };
  std::optional<Chunk> chunk;
  std::optional<Point> next;  // where the chunk after it begins
  std::size_t kept = 0;
  for (const Point& point : points) {
    if (is_known(FindPoint(series.tail.points, point), point)) continue;
    if (series.sealed && !Before(*series.sealed, point)) {
      if (!chunk || (next && !Before(point, *next))) {
        MUSTER_ASSIGN_OR_RETURN(chunk, ChunkFor(db, series.id, point));
        MUSTER_CHECK(chunk.has_value(), "a series with a sealed point has a chunk");
        MUSTER_ASSIGN_OR_RETURN(
            next, NextChunkBegins(db, series.id, std::max(point, chunk->points.front(), Before)));
      }
      if (is_known(FindPoint(chunk->points, point), point)) continue;
    }
    points[kept++] = point;
  }
  points.resize(kept);
  return Ok();
}

Status StorePoints(Database& db, OpenSeries& series, const std::vector<Point>& points) {
  MergePoints(series.tail.points, points);
  if (series.tail.points.size() >= kSealPoints) return Seal(db, series);
  ++series.tail.rows;
  return db.Prepare("INSERT INTO tail(series, seq, points) VALUES(?, ?, ?)")
      .RunWith(series.id, series.tail.next_seq++, EncodeChunk(points));
}

Status WriteSeries(Database& db, OpenSeries& series, std::span<const Resume> resumes,
                   std::vector<Point> points) {
  SortPoints(points);
  MUSTER_RETURN_IF_ERROR(DropKnown(db, series, points));
  if (points.empty()) return Ok();
  MUSTER_RETURN_IF_ERROR(StorePoints(db, series, points));
  bool changed = false;
  for (const Point& point : points) {
    if (IsHidden(point.attempt, point.step, resumes)) continue;
    changed = series.summary.Add(point) || changed;
  }
  return changed ? StoreSummary(db, series.id, series.summary) : Ok();
}

Status WriteModelPoint(Database& db, const RunId& run_id, const Metric& point) {
  const auto model = FindLoggedModel(db, point.model_id);
  if (!model && model.error().kind == ErrorKind::kNotFound) return Ok();
  if (!model) return model.error();
  return db
      .Prepare(
          "INSERT INTO logged_model_metrics(model, key, dataset_name, dataset_digest, run_id, ts, "
          "step, value, nan) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
      .RunWith(*model, point.key, point.dataset_name, point.dataset_digest, run_id.value,
               point.timestamp_ms, point.step, StoredValue(point.value),
               int{std::isnan(point.value)});
}

}  // namespace

Status WriteMetrics(Database& db, OpenSeriesCache& cache, const RunRow& run, const RunId& run_id,
                    const std::vector<Metric>& metrics) {
  if (metrics.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run.row));
  for (const Metric& point : metrics) {
    if (point.model_id.empty() || point.rank != kNoRank) continue;
    MUSTER_RETURN_IF_ERROR(WriteModelPoint(db, run_id, point));
  }
  return cache.Change([&]() -> Status {
    for (auto& [key, points] : BySeries(metrics)) {
      MUSTER_ASSIGN_OR_RETURN(OpenSeries * series, cache.Get(db, run, key));
      MUSTER_RETURN_IF_ERROR(WriteSeries(db, *series, resumes, std::move(points)));
      cache.Keep(*series);
    }
    return Ok();
  });
}

Status WriteResume(Database& db, OpenSeriesCache& cache, const RunId& run_id, std::int64_t attempt,
                   std::int64_t step) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  MUSTER_RETURN_IF_ERROR(db.Prepare("INSERT INTO resumes(run, attempt, step) VALUES(?, ?, ?) "
                                    "ON CONFLICT DO UPDATE SET step = excluded.step")
                             .BindAll(run.row, attempt, step)
                             .Run());
  cache.Clear();
  return SummarizeRun(db, run.row);
}

}  // namespace muster::tracker
