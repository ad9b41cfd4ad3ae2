#include "tracker/sqlite/runs.h"

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/seal.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// The dataset's row; what was first said of (experiment, name, digest) stays.
Result<std::int64_t> EnsureDataset(Database& db, std::int64_t experiment, const Dataset& dataset) {
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT OR IGNORE INTO datasets(experiment, name, digest, source_type, source, "
                 "schema, profile) VALUES(?, ?, ?, ?, ?, ?, ?)")
          .BindAll(experiment, std::string_view(dataset.name), std::string_view(dataset.digest),
                   std::string_view(dataset.source_type), std::string_view(dataset.source),
                   std::string_view(dataset.schema), std::string_view(dataset.profile))
          .Run());
  Statement row =
      db.Prepare("SELECT id FROM datasets WHERE experiment = ? AND name = ? AND digest = ?");
  row.BindAll(experiment, std::string_view(dataset.name), std::string_view(dataset.digest));
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  MUSTER_CHECK(found, "the dataset was inserted just now or before");
  return row.Int(0);
}

/// Tags are kept with the first time the run names the dataset.
Status LinkDataset(Database& db, const RunRow& run, const DatasetInput& input) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t dataset,
                          EnsureDataset(db, run.experiment, input.dataset));
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT OR IGNORE INTO dataset_inputs(run, dataset) VALUES(?, ?)")
          .BindAll(run.row, dataset)
          .Run());
  if (db.changes() == 0) return Ok();
  const std::int64_t row = db.last_insert_id();
  for (const Tag& tag : input.tags) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "input_tags", "input", row, tag));
  }
  return Ok();
}

}  // namespace

Result<Run> CreateRunRow(Database& db, NewRun run) {
  const auto same = FindRun(db, run.run_id);
  if (same) return ReadRun(db, same->row);
  if (same.error().kind != ErrorKind::kNotFound) return same.error();
  MUSTER_ASSIGN_OR_RETURN(const ExperimentRow experiment, ActiveExperiment(db, run.experiment_id));
  MUSTER_RETURN_IF_ERROR(CompleteRun(run));
  const std::string uri = ArtifactUri(experiment.artifact_location, run.run_id.value);
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO runs(run_id, experiment, name, user_id, status, start_time_ms, "
                 "artifact_uri) VALUES(?, ?, ?, ?, 'RUNNING', ?, ?)")
          .BindAll(std::string_view(run.run_id.value), experiment.row,
                   std::string_view(run.run_name), std::string_view(run.user_id), run.start_time_ms,
                   std::string_view(uri))
          .Run());
  const std::int64_t row = db.last_insert_id();
  for (const Tag& tag : run.tags) MUSTER_RETURN_IF_ERROR(WriteTag(db, "tags", "run", row, tag));
  return ReadRun(db, row);
}

Result<RunInfo> UpdateRunRow(Database& db, OpenSeriesCache& cache, const RunId& run_id,
                             const RunUpdate& update) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  if (update.status) {
    MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE runs SET status = ? WHERE id = ?")
                               .BindAll(RunStatusName(*update.status), run.row)
                               .Run());
  }
  if (update.end_time_ms) {
    MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE runs SET end_time_ms = ? WHERE id = ?")
                               .BindAll(*update.end_time_ms, run.row)
                               .Run());
  }
  if (update.run_name && !update.run_name->empty()) {
    MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE runs SET name = ? WHERE id = ?")
                               .BindAll(std::string_view(*update.run_name), run.row)
                               .Run());
    MUSTER_RETURN_IF_ERROR(
        WriteTag(db, "tags", "run", run.row, {std::string(kRunNameTag), *update.run_name}));
  }
  MUSTER_ASSIGN_OR_RETURN(RunInfo info, ReadRunInfo(db, run.row));
  const bool ended = update.status && *update.status != RunStatus::kRunning &&
                     *update.status != RunStatus::kScheduled;
  // Last, so that what the cache remembers is not undone after it.
  if (ended) MUSTER_RETURN_IF_ERROR(SealRun(db, cache, run));
  return info;
}

Status SetRunRowDeleted(Database& db, const RunId& run_id, bool deleted, UnixMillis now) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  return db
      .Prepare(
          "UPDATE runs SET deleted = ?1, deleted_ms = CASE WHEN ?1 THEN coalesce(deleted_ms, ?2) "
          "END WHERE id = ?3")
      .BindAll(int{deleted}, now, run.row)
      .Run();
}

Status DeleteRunRowTag(Database& db, const RunId& run_id, const std::string& key) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  MUSTER_RETURN_IF_ERROR(db.Prepare("DELETE FROM tags WHERE run = ? AND key = ?")
                             .BindAll(run.row, std::string_view(key))
                             .Run());
  if (db.changes() == 0) return NoRunTag(run_id, key);
  return Ok();
}

Status ChangeRunRowTag(Database& db, const RunId& run_id, const std::string& key,
                       const TagChange& change) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  MUSTER_ASSIGN_OR_RETURN(const auto now, ReadTag(db, "tags", "run", run.row, key));
  MUSTER_ASSIGN_OR_RETURN(std::string value, change(now));
  Batch batch{.metrics = {}, .params = {}, .tags = {{key, std::move(value)}}};
  MUSTER_RETURN_IF_ERROR(PrepareEntities(batch));
  return WriteRunTag(db, run.row, batch.tags.front());
}

Status LogInputRows(Database& db, const RunId& run_id, const std::vector<DatasetInput>& datasets,
                    const std::vector<std::string>& model_ids) {
  MUSTER_RETURN_IF_ERROR(CheckDatasets(datasets));
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  for (const DatasetInput& input : datasets) MUSTER_RETURN_IF_ERROR(LinkDataset(db, run, input));
  for (const std::string& id : model_ids) {
    MUSTER_RETURN_IF_ERROR(
        db.Prepare("INSERT OR IGNORE INTO model_inputs(run, model_id) VALUES(?, ?)")
            .BindAll(run.row, std::string_view(id))
            .Run());
  }
  return Ok();
}

Status LogOutputRows(Database& db, const RunId& run_id,
                     const std::vector<std::pair<std::string, std::int64_t>>& models) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  for (const auto& [id, step] : models) {
    MUSTER_RETURN_IF_ERROR(
        db.Prepare("INSERT OR IGNORE INTO model_outputs(run, model_id, step) VALUES(?, ?, ?)")
            .BindAll(run.row, std::string_view(id), step)
            .Run());
  }
  return Ok();
}

}  // namespace muster::tracker
