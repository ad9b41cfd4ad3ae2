#include "tracker/sqlite/experiments.h"

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

/// Words a taken name as MLflow does.
Status NameTaken(Status status, const std::string& name) {
  if (!status.ok() && status.error().kind == ErrorKind::kAlreadyExists) {
    return ExperimentExists(name);
  }
  return status;
}

}  // namespace

Status EnsureDefaultExperiment(Database& db, const std::string& artifact_root, UnixMillis now) {
  return db
      .Prepare(
          "INSERT OR IGNORE INTO experiments(id, name, artifact_location, creation_time_ms, "
          "last_update_time_ms) VALUES(0, 'Default', ?, ?, ?)")
      .BindAll(std::string_view(artifact_root + "/0"), now, now)
      .Run();
}

Result<std::string> CreateExperimentRow(Database& db, const std::string& name,
                                        const std::string& location,
                                        const std::string& artifact_root,
                                        const std::vector<Tag>& tags, UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentName(name));
  for (const Tag& tag : tags) MUSTER_RETURN_IF_ERROR(CheckExperimentTag(tag.key, tag.value));
  MUSTER_RETURN_IF_ERROR(
      NameTaken(db.Prepare("INSERT INTO experiments(name, artifact_location, creation_time_ms, "
                           "last_update_time_ms) VALUES(?, ?, ?, ?)")
                    .BindAll(std::string_view(name), std::string_view(location), now, now)
                    .Run(),
                name));
  const std::int64_t row = db.last_insert_id();
  const std::string id = std::to_string(row);
  if (location.empty()) {
    MUSTER_RETURN_IF_ERROR(db.Prepare("UPDATE experiments SET artifact_location = ? WHERE id = ?")
                               .BindAll(std::string_view(artifact_root + "/" + id), row)
                               .Run());
  }
  for (const Tag& tag : tags) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "experiment_tags", "experiment", row, tag));
  }
  return id;
}

Status RenameExperimentRow(Database& db, const std::string& experiment_id, const std::string& name,
                           UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentName(name));
  MUSTER_ASSIGN_OR_RETURN(const Experiment experiment, ReadExperiment(db, experiment_id));
  if (experiment.deleted) return Conflict("Cannot rename a non-active experiment.");
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, ParseExperimentId(experiment_id));
  return NameTaken(
      db.Prepare("UPDATE experiments SET name = ?, last_update_time_ms = ? WHERE id = ?")
          .BindAll(std::string_view(name), now, row)
          .Run(),
      name);
}

Status SetExperimentRowDeleted(Database& db, const std::string& experiment_id, bool deleted,
                               UnixMillis now) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, ParseExperimentId(experiment_id));
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("UPDATE experiments SET deleted = ?1, last_update_time_ms = ?2, deleted_ms = CASE "
                 "WHEN ?1 THEN ?2 END WHERE id = ?3 AND deleted <> ?1")
          .BindAll(int{deleted}, now, row)
          .Run());
  if (db.changes() == 0) return ExperimentNotFound(std::to_string(row));
  return db
      .Prepare(
          "UPDATE runs SET deleted = ?1, deleted_ms = CASE WHEN ?1 THEN coalesce(deleted_ms, ?2) "
          "END WHERE experiment = ?3 AND deleted < 2")
      .BindAll(int{deleted}, now, row)
      .Run();
}

Status SetExperimentRowTag(Database& db, const std::string& experiment_id, const std::string& key,
                           const std::optional<std::string>& value) {
  if (value) MUSTER_RETURN_IF_ERROR(CheckExperimentTag(key, *value));
  MUSTER_ASSIGN_OR_RETURN(const ExperimentRow experiment, ActiveExperiment(db, experiment_id));
  if (value) return WriteTag(db, "experiment_tags", "experiment", experiment.row, {key, *value});
  MUSTER_RETURN_IF_ERROR(db.Prepare("DELETE FROM experiment_tags WHERE experiment = ? AND key = ?")
                             .BindAll(experiment.row, std::string_view(key))
                             .Run());
  if (db.changes() == 0) return NoExperimentTag(experiment_id, key);
  return Ok();
}

}  // namespace muster::tracker
