#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "runtime/sqlite/database.h"
#include "tracker/transfer/source.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::size_t kPointsAtOnce = 1'000;

/// MLflow's schema revisions (mlflow/store/db_migrations/versions) in their order, from the one of MLflow 2.0
/// to the last of 3.18. All of them have the columns read here; tables that came later are looked for.
constexpr std::array<std::string_view, 52> kRevisions = {
    "97727af70f4d", "3500859a5d39", "7f2a7d5fae7d", "2d6e25af4d3e", "acf3f17fdcc7",  "867495a8f9d4",
    "5b0e9adcef9c", "4465047574b1", "f5a4f2784254", "0584bdc529eb", "400f98739977",  "6953534de441",
    "bda7b8c39065", "cbc13b556ace", "770bee3ae1dd", "a1b2c3d4e5f6", "de4033877273",  "1a0cddfcaa16",
    "534353b11cbc", "71994744cf8e", "3da73c924c2f", "bf29a5ff90ea", "1bd49d398cd23", "b7c8d9e0f1a2",
    "5d2d30f0abce", "c9d4e5f6a7b8", "2c33131f4dae", "d3e4f5a6b7c8", "d0e1f2a3b4c5",  "c8d9e0f1a2b3",
    "1b5f0d9ad7c1", "e1f2a3b4c5d6", "76601a5f987d", "c3d6457b6d8a", "a5b4c3d2e1f0",  "ae8bbe7743c9",
    "7d34483879f0", "da6fb0208061", "89d3d66ed43f", "b7e4c1a90f23", "a8b9c0d1e2f3",  "c1d2e3f4a5b6",
    "c3d9e7f1a2b4", "6f8d9c3b2a1e", "1971f2d9a75b", "17e22815139b", "b7e2c1a4d9f3",  "75868b020152",
    "dc11669786a5", "e7d1f4b2a9c6", "8b6ad64cb8f5", "f4a9b2c7d1e6"};

Status CheckRevision(Database& db) {
  auto row = db.PrepareOnce("SELECT version_num FROM alembic_version");
  if (!row) return Corrupt("no database of MLflow: it has no table alembic_version");
  MUSTER_ASSIGN_OR_RETURN(const bool found, row->Step());
  const std::string revision(found ? row->Text(0) : "");
  if (std::ranges::find(kRevisions, revision) != kRevisions.end()) return Ok();
  return Unsupported(
      "its schema revision is '" + revision +
      "'; known are those of MLflow 2.0 to 3.18. An older database can be brought up by "
      "`mlflow db upgrade` of one of these");
}

std::string Text(const Statement& row, int column) { return std::string(row.Text(column)); }

class MlflowDatabase final : public ImportSource {
 public:
  MlflowDatabase(Database db, std::filesystem::path file, std::filesystem::path artifacts)
      : db_(std::move(db)), file_(std::move(file)), artifacts_(std::move(artifacts)) {}

  /// Before anything else.
  Status Prepare() {
    // One snapshot for all that is read, beside a server that goes on writing.
    MUSTER_RETURN_IF_ERROR(db_.Execute("BEGIN"));
    MUSTER_RETURN_IF_ERROR(CheckRevision(db_));
    MUSTER_ASSIGN_OR_RETURN(const auto columns,
                            Texts("SELECT name FROM pragma_table_info('experiments')"));
    if (columns.contains("workspace")) workspace_ = " WHERE workspace = 'default'";
    MUSTER_ASSIGN_OR_RETURN(tables_, Texts("SELECT name FROM sqlite_master WHERE type = 'table'"));
    if (!tables_.contains("logged_models")) return Ok();
    MUSTER_ASSIGN_OR_RETURN(runs_with_models_,
                            Texts("SELECT DISTINCT run_id FROM logged_model_metrics"));
    return Ok();
  }

  Result<std::vector<Experiment>> Experiments() override {
    std::vector<Experiment> experiments;
    MUSTER_RETURN_IF_ERROR(
        Rows("SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
             "last_update_time FROM experiments" +
                 workspace_ + " ORDER BY experiment_id",
             {}, [&](Statement& row) -> Status {
               experiments.push_back({.experiment_id = Text(row, 0),
                                      .name = Text(row, 1),
                                      .artifact_location = Text(row, 2),
                                      .deleted = row.Text(3) == "deleted",
                                      .creation_time_ms = row.Int(4),
                                      .last_update_time_ms = row.Int(5)});
               return Ok();
             }));
    for (Experiment& experiment : experiments) {
      MUSTER_ASSIGN_OR_RETURN(
          experiment.tags,
          Pairs("SELECT key, value FROM experiment_tags WHERE experiment_id = CAST(? AS INTEGER)",
                experiment.experiment_id));
    }
    return experiments;
  }

  Status LoggedModels(const Experiment& experiment, const Visit<LoggedModel>& visit) override {
    if (!tables_.contains("logged_models")) return Ok();
    constexpr std::array<std::string_view, 4> kStatus = {
        "", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"};
    return Rows(
        "SELECT model_id, name, artifact_location, model_type, source_run_id, status, "
        "creation_timestamp_ms, last_updated_timestamp_ms FROM logged_models "
        "WHERE experiment_id = CAST(? AS INTEGER) AND lifecycle_stage = 'active' "
        "ORDER BY creation_timestamp_ms, model_id",
        experiment.experiment_id, [&](Statement& row) -> Status {
          LoggedModel model{.model_id = Text(row, 0),
                            .experiment_id = experiment.experiment_id,
                            .name = Text(row, 1),
                            .artifact_uri = Text(row, 2),
                            .model_type = Text(row, 3),
                            .source_run_id = Text(row, 4),
                            .creation_ms = row.Int(6),
                            .last_updated_ms = row.Int(7)};
          if (row.Int(5) < 1 || row.Int(5) >= std::ssize(kStatus)) {
            return Corrupt("logged model " + model.model_id + " has status " + Text(row, 5) +
                           "; known are 1 to 3");
          }
          model.status = kStatus.at(static_cast<std::size_t>(row.Int(5)));
          MUSTER_ASSIGN_OR_RETURN(model.tags,
                                  Pairs("SELECT tag_key, tag_value FROM logged_model_tags "
                                        "WHERE model_id = ?",
                                        model.model_id));
          MUSTER_ASSIGN_OR_RETURN(model.params,
                                  Pairs("SELECT param_key, param_value FROM logged_model_params "
                                        "WHERE model_id = ?",
                                        model.model_id));
          return visit(std::move(model));
        });
  }

  Status Runs(const Experiment& experiment, const Visit<Run>& visit) override {
    return Rows(
        "SELECT run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, "
        "artifact_uri FROM runs WHERE experiment_id = CAST(? AS INTEGER) ORDER BY start_time, "
        "run_uuid",
        experiment.experiment_id, [&](Statement& row) -> Status {
          Run run;
          run.info = {.run_id = RunId(Text(row, 0)),
                      .experiment_id = experiment.experiment_id,
                      .run_name = Text(row, 1),
                      .user_id = Text(row, 2),
                      .artifact_uri = Text(row, 7),
                      .start_time_ms = row.Int(4),
                      .deleted = row.Text(6) == "deleted"};
          const auto status = RunStatusFromName(row.Text(3));
          if (!status) {
            return Corrupt("run " + run.info.run_id.value + " has status '" + Text(row, 3) + "'");
          }
          run.info.status = *status;
          if (!row.IsNull(5)) run.info.end_time_ms = row.Int(5);
          MUSTER_RETURN_IF_ERROR(ReadContents(run));
          return visit(std::move(run));
        });
  }

  Status Points(const Run& run, const Visit<std::vector<Metric>>& visit) override {
    std::vector<Metric> points;
    const auto add = [&](Metric point) -> Status {
      points.push_back(std::move(point));
      if (points.size() < kPointsAtOnce) return Ok();
      return visit(std::exchange(points, {}));
    };
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    MUSTER_RETURN_IF_ERROR(
        Rows("SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ?",
             run.info.run_id.value, [&](Statement& row) {
               return add({.key = Text(row, 0),
                           .value = row.Int(4) != 0 ? kNan : row.Double(1),
                           .timestamp_ms = row.Int(2),
                           .step = row.Int(3)});
             }));
    if (runs_with_models_.contains(run.info.run_id.value)) {
      MUSTER_RETURN_IF_ERROR(
          Rows("SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, m.model_id, "
               "dataset_name, dataset_digest FROM logged_model_metrics m JOIN logged_models l "
               "ON l.model_id = m.model_id AND l.lifecycle_stage = 'active' WHERE m.run_id = ?",
               run.info.run_id.value, [&](Statement& row) {
                 return add({.key = Text(row, 0),
                             .value = row.IsNull(1) ? kNan : row.Double(1),
                             .timestamp_ms = row.Int(2),
                             .step = row.Int(3),
                             .model_id = Text(row, 4),
                             .dataset_name = Text(row, 5),
                             .dataset_digest = Text(row, 6)});
               }));
    }
    return points.empty() ? Ok() : visit(std::move(points));
  }

  Result<std::vector<SourceModel>> RegisteredModels() override;
  [[nodiscard]] std::optional<std::filesystem::path> Folder(std::string_view uri) const override;
  Result<std::vector<std::string>> LeftOut() override;

 private:
  /// Each row of a statement with at most one parameter. Errors get the file's name. `sql` may be asked for
  /// again inside `visit`.
  Status Rows(const std::string& sql, const std::optional<std::string>& parameter,
              const std::function<Status(Statement&)>& visit) {
    auto statement = db_.PrepareOnce(sql);
    if (!statement) return statement.error().With(file_.string());
    if (parameter) statement->Bind(0, std::string_view(*parameter));
    while (true) {
      const auto more = statement->Step();
      if (!more) return more.error().With(file_.string());
      if (!*more) return Ok();
      MUSTER_RETURN_IF_ERROR(visit(*statement));
    }
  }

  Result<std::set<std::string, std::less<>>> Texts(const std::string& sql) {
    std::set<std::string, std::less<>> texts;
    MUSTER_RETURN_IF_ERROR(Rows(sql, {}, [&](Statement& row) -> Status {
      texts.emplace(row.Text(0));
      return Ok();
    }));
    return texts;
  }

  Result<std::vector<Tag>> Pairs(const std::string& sql, const std::string& owner) {
    std::vector<Tag> pairs;
    MUSTER_RETURN_IF_ERROR(Rows(sql, owner, [&](Statement& row) -> Status {
      pairs.push_back({Text(row, 0), Text(row, 1)});
      return Ok();
    }));
    return pairs;
  }

  Status ReadContents(Run& run);
  Status ReadInputs(Run& run);
  Result<SourceModel> ReadModel(SourceModel model);

  Database db_;
  const std::filesystem::path file_, artifacts_;
  std::string workspace_;  // the condition that picks the default workspace, where there are any
  std::set<std::string, std::less<>> tables_, runs_with_models_;
};

Status MlflowDatabase::ReadContents(Run& run) {
  const std::string& id = run.info.run_id.value;
  MUSTER_ASSIGN_OR_RETURN(run.params,
                          Pairs("SELECT key, value FROM params WHERE run_uuid = ?", id));
  MUSTER_ASSIGN_OR_RETURN(run.tags, Pairs("SELECT key, value FROM tags WHERE run_uuid = ?", id));
  return tables_.contains("inputs") ? ReadInputs(run) : Ok();
}

Status MlflowDatabase::ReadInputs(Run& run) {
  const std::string& id = run.info.run_id.value;
  MUSTER_RETURN_IF_ERROR(Rows(
      "SELECT name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile, "
      "input_uuid FROM inputs JOIN datasets ON dataset_uuid = source_id WHERE source_type = "
      "'DATASET' AND destination_type = 'RUN' AND destination_id = ? ORDER BY inputs.rowid",
      id, [&](Statement& row) -> Status {
        DatasetInput input{
            {Text(row, 0), Text(row, 1), Text(row, 2), Text(row, 3), Text(row, 4), Text(row, 5)},
            {}};
        MUSTER_ASSIGN_OR_RETURN(
            input.tags,
            Pairs("SELECT name, value FROM input_tags WHERE input_uuid = ?", Text(row, 6)));
        run.dataset_inputs.push_back(std::move(input));
        return Ok();
      }));
  if (!tables_.contains("logged_models")) return Ok();  // as old as the column `step`
  return Rows(
      "SELECT source_type, destination_id, step FROM inputs WHERE source_id = ? AND "
      "destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT') ORDER BY rowid",
      id, [&](Statement& row) -> Status {
        if (row.Text(0) == "RUN_INPUT") run.model_inputs.push_back(Text(row, 1));
        if (row.Text(0) == "RUN_OUTPUT") run.model_outputs.emplace_back(Text(row, 1), row.Int(2));
        return Ok();
      });
}

Result<std::vector<SourceModel>> MlflowDatabase::RegisteredModels() {
  std::vector<SourceModel> models;
  MUSTER_RETURN_IF_ERROR(
      Rows("SELECT name, description FROM registered_models" + workspace_ + " ORDER BY name", {},
           [&](Statement& row) -> Status {
             SourceModel model;
             model.model.name = Text(row, 0);
             model.model.description = Text(row, 1);
             MUSTER_ASSIGN_OR_RETURN(model, ReadModel(std::move(model)));
             models.push_back(std::move(model));
             return Ok();
           }));
  return models;
}

Result<SourceModel> MlflowDatabase::ReadModel(SourceModel model) {
  const std::string& name = model.model.name;
  const std::string mine = workspace_.empty() ? " WHERE name = ?" : workspace_ + " AND name = ?";
  const auto into = [](std::vector<registry::Tag>& tags) {
    return [&tags](Statement& row) -> Status {
      tags.push_back({Text(row, 0), Text(row, 1)});
      return Ok();
    };
  };
  MUSTER_RETURN_IF_ERROR(
      Rows("SELECT key, value FROM registered_model_tags" + mine, name, into(model.model.tags)));
  if (tables_.contains("registered_model_aliases")) {
    MUSTER_RETURN_IF_ERROR(Rows("SELECT alias, version FROM registered_model_aliases" + mine, name,
                                [&](Statement& row) -> Status {
                                  model.model.aliases.push_back({Text(row, 0), row.Int(1)});
                                  return Ok();
                                }));
  }
  MUSTER_RETURN_IF_ERROR(Rows(
      "SELECT version, current_stage, description, source, run_id, run_link FROM model_versions" +
          mine + " AND current_stage <> 'Deleted_Internal' ORDER BY version",
      name, [&](Statement& row) -> Status {
        registry::ModelVersion version;
        version.name = name;
        version.version = row.Int(0);
        version.stage = Text(row, 1);
        version.description = Text(row, 2);
        version.source = Text(row, 3);
        version.run_id = Text(row, 4);
        version.run_link = Text(row, 5);
        MUSTER_RETURN_IF_ERROR(Rows("SELECT key, value FROM model_version_tags" + mine +
                                        " AND version = " + std::to_string(version.version),
                                    name, into(version.tags)));
        model.versions.push_back(std::move(version));
        return Ok();
      }));
  return model;
}

std::optional<std::filesystem::path> MlflowDatabase::Folder(std::string_view uri) const {
  constexpr std::string_view kProxied = "mlflow-artifacts:";
  if (!uri.starts_with(kProxied)) return LocalPath(uri, file_.parent_path());
  if (artifacts_.empty()) return std::nullopt;
  uri.remove_prefix(kProxied.size());
  if (uri.starts_with("//")) {  // the server's address
    const auto path = uri.find('/', 2);
    uri = path == std::string_view::npos ? "" : uri.substr(path);
  }
  while (uri.starts_with('/')) uri.remove_prefix(1);
  return artifacts_ / uri;
}

Result<std::vector<std::string>> MlflowDatabase::LeftOut() {
  std::vector<std::string> left;
  const auto count = [&](const std::string& table, const std::string& where,
                         const std::string& what) -> Status {
    if (!tables_.contains(table)) return Ok();
    return Rows("SELECT count(*) FROM " + table + where, {}, [&](Statement& row) -> Status {
      if (row.Int(0) > 0) left.push_back(std::to_string(row.Int(0)) + " " + what);
      return Ok();
    });
  };
  MUSTER_RETURN_IF_ERROR(count("trace_info", "", "traces"));
  MUSTER_RETURN_IF_ERROR(count("webhooks", "", "webhooks"));
  MUSTER_RETURN_IF_ERROR(count("evaluation_datasets", "", "evaluation datasets"));
  MUSTER_RETURN_IF_ERROR(
      count("logged_models", " WHERE lifecycle_stage = 'deleted'", "deleted logged models"));
  if (!workspace_.empty()) {
    MUSTER_RETURN_IF_ERROR(count("experiments", " WHERE workspace <> 'default'",
                                 "experiments of other workspaces than 'default'"));
  }
  return left;
}

}  // namespace

Result<std::unique_ptr<ImportSource>> OpenMlflowDatabase(const std::filesystem::path& file,
                                                         std::filesystem::path artifacts) {
  MUSTER_ASSIGN_OR_RETURN(Database db, Database::Open(file, {.read_only = true}));
  auto source = std::make_unique<MlflowDatabase>(std::move(db), file, std::move(artifacts));
  if (const Status ready = source->Prepare(); !ready.ok()) {
    return ready.error().With(file.string());
  }
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace muster::tracker
