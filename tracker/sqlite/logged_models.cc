#include "runtime/base/random.h"
#include "tracker/run_rules.h"
#include "tracker/sqlite/experiments.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

using sqlite::Database;

Result<LoggedModel> CreateLoggedModelRow(Database& db, LoggedModel model, UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(CheckLoggedModelName(model.name));
  MUSTER_ASSIGN_OR_RETURN(const ExperimentRow experiment,
                          ActiveExperiment(db, model.experiment_id));
  model.model_id = "m-" + RandomHex(16);
  if (model.name.empty()) model.name = RandomName();
  model.artifact_uri = ArtifactUri(experiment.artifact_location, "models/" + model.model_id);
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("INSERT INTO logged_models(model_id, experiment, name, artifact_uri, model_type, "
                 "source_run_id, status, creation_ms, last_updated_ms) "
                 "VALUES(?, ?, ?, ?, ?, ?, 'LOGGED_MODEL_PENDING', ?, ?)")
          .BindAll(std::string_view(model.model_id), experiment.row, std::string_view(model.name),
                   std::string_view(model.artifact_uri), std::string_view(model.model_type),
                   std::string_view(model.source_run_id), now, now)
          .Run());
  const std::int64_t row = db.last_insert_id();
  for (const Tag& tag : model.tags) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "logged_model_tags", "model", row, tag));
  }
  for (const Param& param : model.params) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "logged_model_params", "model", row, param));
  }
  return ReadLoggedModel(db, row);
}

Result<LoggedModel> FinishLoggedModelRow(Database& db, const std::string& model_id,
                                         const std::string& status, UnixMillis now) {
  MUSTER_RETURN_IF_ERROR(CheckLoggedModelStatus(status));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
  MUSTER_RETURN_IF_ERROR(
      db.Prepare("UPDATE logged_models SET status = ?, last_updated_ms = ? WHERE id = ?")
          .BindAll(std::string_view(status), now, row)
          .Run());
  return ReadLoggedModel(db, row);
}

Status SetLoggedModelRows(Database& db, const std::string& model_id, std::string_view table,
                          const std::vector<Tag>& tags) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
  for (const Tag& tag : tags) MUSTER_RETURN_IF_ERROR(WriteTag(db, table, "model", row, tag));
  return Ok();
}

Status DeleteLoggedModelRowTag(Database& db, const std::string& model_id, const std::string& key) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
  MUSTER_RETURN_IF_ERROR(db.Prepare("DELETE FROM logged_model_tags WHERE model = ? AND key = ?")
                             .BindAll(row, std::string_view(key))
                             .Run());
  if (db.changes() == 0) return NoLoggedModelTag(model_id, key);
  return Ok();
}

Status ChangeLoggedModelRowTag(Database& db, const std::string& model_id, const std::string& key,
                               const TagChange& change) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
  MUSTER_ASSIGN_OR_RETURN(const auto now, ReadTag(db, "logged_model_tags", "model", row, key));
  MUSTER_ASSIGN_OR_RETURN(const std::string value, change(now));
  return WriteTag(db, "logged_model_tags", "model", row, {key, value});
}

Status DeleteLoggedModelRow(Database& db, const std::string& model_id, UnixMillis now) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t row, FindLoggedModel(db, model_id));
  return db
      .Prepare(
          "UPDATE logged_models SET deleted = 1, deleted_ms = coalesce(deleted_ms, ?) WHERE id = ?")
      .BindAll(now, row)
      .Run();
}

}  // namespace muster::tracker
