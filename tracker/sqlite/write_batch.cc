#include "tracker/sqlite/write_batch.h"

#include <cmath>
#include <vector>

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

Status CheckParams(Database& db, std::int64_t run, const RunId& run_id, const Batch& batch) {
  std::vector<ParamChange> changes;
  for (const Param& param : batch.params) {
    Statement row = db.Prepare("SELECT value FROM params WHERE run = ? AND key = ?");
    row.BindAll(run, std::string_view(param.key));
    MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found && row.Text(0) != param.value) {
      changes.push_back({param.key, std::string(row.Text(0)), param.value});
    }
  }
  if (changes.empty()) return Ok();
  return ParamsChanged(run_id, batch.single, changes);
}

struct Series {
  std::int64_t row = 0;
  std::optional<Metric> latest;  // of the visible points
};

Result<Series> FindSeries(Database& db, std::int64_t run, std::string_view key) {
  Statement row = db.Prepare(
      "SELECT id, latest_value, latest_ts, latest_step FROM series WHERE run = ? AND key = ?");
  row.BindAll(run, key);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) {
    Series series{row.Int(0), std::nullopt};
    if (!row.IsNull(1)) {
      series.latest =
          Metric{.value = row.Double(1), .timestamp_ms = row.Int(2), .step = row.Int(3)};
    }
    return series;
  }
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO series(run, key) VALUES(?, ?)").BindAll(run, key).Run());
  return Series{db.last_insert_id(), std::nullopt};
}

Status SetLatest(Database& db, std::int64_t series, const Metric& point) {
  return db
      .Prepare(
          "UPDATE series SET latest_value = ?, latest_nan = ?, latest_ts = ?, latest_step = ?, "
          "latest_attempt = ? WHERE id = ?")
      .BindAll(StoredValue(point.value), int{std::isnan(point.value)}, point.timestamp_ms,
               point.step, point.attempt, series)
      .Run();
}

/// The same point again only takes over the younger attempt: a resumed attempt that repeats it owns it.
/// Answers the attempt that owns the point now.
Result<std::int64_t> InsertPoint(Database& db, std::int64_t series, const Metric& point) {
  const double value = StoredValue(point.value);
  const int nan{std::isnan(point.value)};
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO points(series, ts, step, value, nan, attempt) "
                 "VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
          .BindAll(series, point.timestamp_ms, point.step, value, nan, point.attempt)
          .Run());
  if (db.changes() == 1) return point.attempt;
  Statement update = db.Prepare(
      "UPDATE points SET attempt = max(attempt, ?) "
      "WHERE series = ? AND ts = ? AND step = ? AND value = ? AND nan = ? RETURNING attempt");
  update.BindAll(point.attempt, series, point.timestamp_ms, point.step, value, nan);
  MUSTER_ASSIGN_OR_RETURN(const bool row, update.Step());
  MUSTER_CHECK(row, "what is in the way is that point");
  const std::int64_t attempt = update.Int(0);
  MUSTER_RETURN_IF_ERROR(update.Run());
  return attempt;
}

Status WriteModelPoint(Database& db, const RunId& run_id, const Metric& point) {
  const auto model = FindLoggedModel(db, point.model_id);
  if (!model && model.error().kind == ErrorKind::kNotFound) return Ok();
  if (!model) return model.error();
  return db
      .Prepare(
          "INSERT INTO logged_model_metrics(model, key, dataset_name, dataset_digest, run_id, ts, "
          "step, value, nan) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
          "ts = excluded.ts, step = excluded.step, value = excluded.value, nan = excluded.nan "
          "WHERE (excluded.step, excluded.ts, excluded.value) >= (step, ts, value)")
      .BindAll(*model, std::string_view(point.key), std::string_view(point.dataset_name),
               std::string_view(point.dataset_digest), std::string_view(run_id.value),
               point.timestamp_ms, point.step, StoredValue(point.value),
               int{std::isnan(point.value)})
      .Run();
}

/// Points of one key in a row share the look-up of their series and one update of its latest point.
Status WriteMetrics(Database& db, std::int64_t run, const RunId& run_id,
                    const std::vector<Metric>& metrics) {
  if (metrics.empty()) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run));
  for (std::size_t begin = 0; begin < metrics.size();) {
    const std::string& key = metrics[begin].key;
    MUSTER_ASSIGN_OR_RETURN(Series series, FindSeries(db, run, key));
    bool changed = false;
    std::size_t at = begin;
    for (; at < metrics.size() && metrics[at].key == key; ++at) {
      const Metric& point = metrics[at];
      MUSTER_ASSIGN_OR_RETURN(const std::int64_t attempt, InsertPoint(db, series.row, point));
      if (!point.model_id.empty()) MUSTER_RETURN_IF_ERROR(WriteModelPoint(db, run_id, point));
      if (IsHidden(attempt, point.step, resumes)) continue;
      if (series.latest && IsLater(*series.latest, point)) continue;
      series.latest = Metric{.value = point.value,
                             .timestamp_ms = point.timestamp_ms,
                             .step = point.step,
                             .attempt = attempt};
      changed = true;
    }
    if (changed) MUSTER_RETURN_IF_ERROR(SetLatest(db, series.row, *series.latest));
    begin = at;
  }
  return Ok();
}

}  // namespace

Status WriteBatch(Database& db, const RunId& run_id, const Batch& batch) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  MUSTER_RETURN_IF_ERROR(CheckParams(db, run.row, run_id, batch));
  for (const Param& param : batch.params) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "params", "run", run.row, param));
  }
  for (const Tag& tag : batch.tags) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "tags", "run", run.row, tag));
    if (tag.key == kRunNameTag) {
      MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE runs SET name = ? WHERE id = ?")
                                 .BindAll(std::string_view(tag.value), run.row)
                                 .Run());
    }
  }
  return WriteMetrics(db, run.row, run_id, batch.metrics);
}

Status WriteResume(Database& db, const RunId& run_id, std::int64_t attempt, std::int64_t step) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  MUSTER_RETURN_IF_ERROR(db.Prepare("INSERT INTO resumes(run, attempt, step) VALUES(?, ?, ?) "
                                    "ON CONFLICT DO UPDATE SET step = excluded.step")
                             .BindAll(run.row, attempt, step)
                             .Run());
  // A row subquery without a row sets NULLs, which is what "no visible point" looks like.
  return db
      .Prepare(R"sql(
        UPDATE series SET (latest_value, latest_nan, latest_ts, latest_step, latest_attempt) = (
          SELECT p.value, p.nan, p.ts, p.step, p.attempt FROM points p
          WHERE p.series = series.id AND NOT EXISTS (
            SELECT 1 FROM resumes z WHERE z.run = series.run AND p.attempt > 0
            AND p.attempt < z.attempt AND p.step > z.step)
          ORDER BY p.step DESC, p.ts DESC, p.value DESC LIMIT 1)
        WHERE run = ?)sql")
      .BindAll(run.row)
      .Run();
}

}  // namespace muster::tracker
