#include "tracker/sqlite/rows.h"

#include <cmath>
#include <limits>

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

std::string TextOf(const Statement& row, int column) { return std::string(row.Text(column)); }

constexpr std::string_view kExperimentColumns =
    "id, name, artifact_location, deleted, creation_time_ms, last_update_time_ms";

Result<Experiment> TakeExperiment(Database& db, Statement& row) {
  Experiment experiment{.experiment_id = std::to_string(row.Int(0)),
                        .name = TextOf(row, 1),
                        .artifact_location = TextOf(row, 2),
                        .deleted = row.Int(3) != 0,
                        .creation_time_ms = row.Int(4),
                        .last_update_time_ms = row.Int(5)};
  MUSTER_ASSIGN_OR_RETURN(experiment.tags,
                          ReadTags(db, "experiment_tags", "experiment", row.Int(0)));
  return experiment;
}

}  // namespace

double StoredValue(double value) { return std::isnan(value) ? 0 : value; }

double LoadedValue(double value, bool nan) {
  return nan ? std::numeric_limits<double>::quiet_NaN() : value;
}

Result<Experiment> ReadExperiment(Database& db, std::string_view experiment_id) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(experiment_id));
  Statement row =
      db.Prepare("SELECT " + std::string(kExperimentColumns) + " FROM experiments WHERE id = ?");
  row.Bind(0, id);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return ExperimentNotFound(std::to_string(id));
  return TakeExperiment(db, row);
}

Result<Experiment> ReadExperimentByName(Database& db, std::string_view name) {
  Statement row =
      db.Prepare("SELECT " + std::string(kExperimentColumns) + " FROM experiments WHERE name = ?");
  row.Bind(0, name);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return ExperimentNameNotFound(name);
  return TakeExperiment(db, row);
}

Result<ExperimentRow> ActiveExperiment(Database& db, std::string_view experiment_id) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t id, ParseExperimentId(experiment_id));
  Statement row = db.Prepare("SELECT artifact_location, deleted FROM experiments WHERE id = ?");
  row.Bind(0, id);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return ExperimentNotFound(std::to_string(id));
  if (row.Int(1) != 0) return ExperimentNotActive(std::to_string(id));
  return ExperimentRow{id, TextOf(row, 0)};
}

Result<RunRow> FindRun(Database& db, const RunId& run_id) {
  Statement row =
      db.Prepare("SELECT id, experiment, deleted FROM runs WHERE run_id = ? AND deleted < 2");
  row.Bind(0, run_id.value);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return RunNotFound(run_id);
  return RunRow{row.Int(0), row.Int(1), row.Int(2) != 0};
}

Result<RunRow> ActiveRun(Database& db, const RunId& run_id) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  if (run.deleted) return RunNotActive(run_id);
  return run;
}

RunInfo TakeRunInfo(const Statement& row) {
  RunInfo info{.run_id = RunId(TextOf(row, 1)),
               .experiment_id = std::to_string(row.Int(2)),
               .run_name = TextOf(row, 3),
               .user_id = TextOf(row, 4),
               .artifact_uri = TextOf(row, 5),
               .status = RunStatusFromName(row.Text(6)).value_or(RunStatus::kRunning),
               .start_time_ms = row.Int(7),
               .deleted = row.Int(9) != 0};
  if (!row.IsNull(8)) info.end_time_ms = row.Int(8);
  return info;
}

Result<RunInfo> ReadRunInfo(Database& db, std::int64_t run) {
  Statement row = db.Prepare(std::string(kSelectRunInfo) + " WHERE id = ?");
  row.Bind(0, run);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  MUSTER_CHECK(found, "a run's row was found in this transaction");
  return TakeRunInfo(row);
}

Result<Run> ReadRun(Database& db, std::int64_t row) {
  MUSTER_ASSIGN_OR_RETURN(std::vector<Run> runs, ReadRuns(db, {row}));
  return std::move(runs.front());
}

Result<std::vector<Resume>> ReadResumes(Database& db, std::int64_t run_row) {
  Statement rows = db.Prepare("SELECT attempt, step FROM resumes WHERE run = ?");
  rows.Bind(0, run_row);
  std::vector<Resume> resumes;
  MUSTER_RETURN_IF_ERROR(
      ForEachRow(rows, [&](Statement& row) { resumes.push_back({row.Int(0), row.Int(1)}); }));
  return resumes;
}

Result<std::int64_t> FindLoggedModel(Database& db, std::string_view model_id) {
  Statement row = db.Prepare("SELECT id FROM logged_models WHERE model_id = ? AND deleted < 2");
  row.Bind(0, model_id);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return LoggedModelNotFound(model_id);
  return row.Int(0);
}

Result<LoggedModel> ReadLoggedModel(Database& db, std::int64_t model_row) {
  Statement row = db.Prepare(
      "SELECT model_id, experiment, name, artifact_uri, model_type, source_run_id, status, "
      "creation_ms, last_updated_ms, deleted FROM logged_models WHERE id = ?");
  row.Bind(0, model_row);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  MUSTER_CHECK(found, "a logged model's row was found in this transaction");
  LoggedModel model{.model_id = TextOf(row, 0),
                    .experiment_id = std::to_string(row.Int(1)),
                    .name = TextOf(row, 2),
                    .artifact_uri = TextOf(row, 3),
                    .model_type = TextOf(row, 4),
                    .source_run_id = TextOf(row, 5),
                    .status = TextOf(row, 6),
                    .creation_ms = row.Int(7),
                    .last_updated_ms = row.Int(8),
                    .deleted = row.Int(9) != 0};
  MUSTER_ASSIGN_OR_RETURN(model.tags, ReadTags(db, "logged_model_tags", "model", model_row));
  MUSTER_ASSIGN_OR_RETURN(model.params, ReadTags(db, "logged_model_params", "model", model_row));
  Statement metrics = db.Prepare(
      "SELECT run_id, key, value, nan, ts, step, dataset_name, dataset_digest "
      "FROM logged_model_metrics WHERE model = ? ORDER BY key, dataset_name, dataset_digest, "
      "run_id, ts, step, value, nan");
  metrics.Bind(0, model_row);
  MUSTER_RETURN_IF_ERROR(ForEachRow(metrics, [&](Statement& metric) {
    model.metrics.emplace_back(RunId(TextOf(metric, 0)),
                               Metric{.key = TextOf(metric, 1),
                                      .value = LoadedValue(metric.Double(2), metric.Int(3) != 0),
                                      .timestamp_ms = metric.Int(4),
                                      .step = metric.Int(5),
                                      .model_id = model.model_id,
                                      .dataset_name = TextOf(metric, 6),
                                      .dataset_digest = TextOf(metric, 7)});
  }));
  return model;
}

Result<std::optional<std::string>> ReadTag(Database& db, std::string_view table,
                                           std::string_view owner, std::int64_t row,
                                           std::string_view key) {
  Statement rows = db.Prepare("SELECT value FROM " + std::string(table) + " WHERE " +
                              std::string(owner) + " = ? AND key = ?");
  rows.BindAll(row, key);
  MUSTER_ASSIGN_OR_RETURN(const bool found, rows.Step());
  if (!found) return std::optional<std::string>();
  return std::optional(TextOf(rows, 0));
}

Result<std::vector<Tag>> ReadTags(Database& db, std::string_view table, std::string_view owner,
                                  std::int64_t row) {
  Statement rows = db.Prepare("SELECT key, value FROM " + std::string(table) + " WHERE " +
                              std::string(owner) + " = ? ORDER BY key");
  rows.Bind(0, row);
  std::vector<Tag> tags;
  MUSTER_RETURN_IF_ERROR(
      ForEachRow(rows, [&](Statement& tag) { tags.push_back({TextOf(tag, 0), TextOf(tag, 1)}); }));
  return tags;
}

Status WriteTag(Database& db, std::string_view table, std::string_view owner, std::int64_t row,
                const Tag& tag) {
  const std::string sql = "INSERT INTO " + std::string(table) + "(" + std::string(owner) +
                          ", key, value) VALUES(?, ?, ?) "
                          "ON CONFLICT DO UPDATE SET value = excluded.value";
  return db.Prepare(sql).BindAll(row, std::string_view(tag.key), std::string_view(tag.value)).Run();
}

Status WriteRunTag(Database& db, std::int64_t run_row, const Tag& tag) {
  MUSTER_RETURN_IF_ERROR(WriteTag(db, "tags", "run", run_row, tag));
  if (tag.key != kRunNameTag) return Ok();
  return db.Prepare("UPDATE runs SET name = ? WHERE id = ?")
      .BindAll(std::string_view(tag.value), run_row)
      .Run();
}

}  // namespace muster::tracker
