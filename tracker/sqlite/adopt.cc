#include "tracker/sqlite/adopt.h"

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

Result<bool> IsThere(Database& db, std::string_view sql, std::string_view id) {
  Statement row = db.Prepare(sql);
  row.Bind(0, id);
  return row.Step();
}

Result<std::int64_t> InsertExperiment(Database& db, const Experiment& experiment,
                                      const std::string& artifact_root, UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentName(experiment.name));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t wanted, ParseExperimentId(experiment.experiment_id));
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO experiments(id, name, artifact_location, deleted, creation_time_ms, "
                 "last_update_time_ms, deleted_ms) VALUES((SELECT ?1 WHERE ?1 NOT IN (SELECT id "
                 "FROM experiments) AND ?1 NOT IN (SELECT id FROM erased_experiments)), ?2, ?3, "
                 "?4, ?5, ?6, CASE WHEN ?4 THEN ?7 END)")
          .BindAll(wanted, std::string_view(experiment.name),
                   std::string_view(experiment.artifact_location), int{experiment.deleted},
                   experiment.creation_time_ms, experiment.last_update_time_ms, now)
          .Run());
  const std::int64_t row = db.last_insert_id();
  if (experiment.artifact_location.empty()) {
    const std::string location = artifact_root + "/" + std::to_string(row);
    MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE experiments SET artifact_location = ? WHERE id = ?")
                               .BindAll(std::string_view(location), row)
                               .Run());
  }
  return row;
}

}  // namespace

Result<std::string> AdoptExperimentRow(Database& db, const Experiment& experiment,
                                       const std::string& artifact_root, UnixMillis now) {
  const auto same = ReadExperimentByName(db, experiment.name);
  if (!same && same.error().kind != ErrorKind::kNotFound) return same.error();
  const auto id = same ? ParseExperimentId(same->experiment_id)
                       : InsertExperiment(db, experiment, artifact_root, now);
  if (!id) return id.error();
  for (const Tag& tag : experiment.tags) {
    MUSTER_RETURN_IF_ERROR(CheckExperimentTag(tag.key, tag.value));
    MUSTER_RETURN_IF_ERROR(
        db.Prepare("INSERT OR IGNORE INTO experiment_tags(experiment, key, value) VALUES(?, ?, ?)")
            .BindAll(*id, std::string_view(tag.key), std::string_view(tag.value))
            .Run());
  }
  return std::to_string(*id);
}

Result<bool> AdoptRunRow(Database& db, const RunInfo& info) {
  MUSTER_ASSIGN_OR_RETURN(const bool known,
                          IsThere(db, "SELECT 1 FROM runs WHERE run_id = ?", info.run_id.value));
  if (known) return false;
  MUSTER_ASSIGN_OR_RETURN(const Experiment experiment, ReadExperiment(db, info.experiment_id));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t owner, ParseExperimentId(info.experiment_id));
  const std::string uri = info.artifact_uri.empty()
                              ? ArtifactUri(experiment.artifact_location, info.run_id.value)
                              : info.artifact_uri;
  Statement insert = db.Prepare(
      "INSERT INTO runs(run_id, experiment, name, user_id, status, start_time_ms, artifact_uri, "
      "end_time_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  insert.BindAll(std::string_view(info.run_id.value), owner, std::string_view(info.run_name),
                 std::string_view(info.user_id), RunStatusName(info.status), info.start_time_ms,
                 std::string_view(uri));
  if (info.end_time_ms) insert.Bind(7, *info.end_time_ms);
  MUSTER_RETURN_IF_ERROR(insert.Run());
  return true;
}

Result<bool> AdoptLoggedModelRow(Database& db, const LoggedModel& model) {
  MUSTER_ASSIGN_OR_RETURN(
      const bool known,
      IsThere(db, "SELECT 1 FROM logged_models WHERE model_id = ?", model.model_id));
  if (known) return false;
  MUSTER_RETURN_IF_ERROR(CheckLoggedModelStatus(model.status));
  MUSTER_ASSIGN_OR_RETURN(const Experiment experiment, ReadExperiment(db, model.experiment_id));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t owner, ParseExperimentId(model.experiment_id));
  const std::string uri = model.artifact_uri.empty() ? ArtifactUri(experiment.artifact_location,
                                                                   "models/" + model.model_id)
                                                     : model.artifact_uri;
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO logged_models(model_id, experiment, name, artifact_uri, model_type, "
                 "source_run_id, status, creation_ms, last_updated_ms) "
                 "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .BindAll(std::string_view(model.model_id), owner, std::string_view(model.name),
                   std::string_view(uri), std::string_view(model.model_type),
                   std::string_view(model.source_run_id), std::string_view(model.status),
                   model.creation_ms, model.last_updated_ms)
          .Run());
  const std::int64_t row = db.last_insert_id();
  for (const Tag& tag : model.tags) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "logged_model_tags", "model", row, tag));
  }
  for (const Param& param : model.params) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "logged_model_params", "model", row, param));
  }
  return true;
}

}  // namespace muster::tracker
