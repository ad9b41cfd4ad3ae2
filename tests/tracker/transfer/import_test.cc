#include "tracker/transfer/import.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "registry/sqlite/model_store.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/sqlite/database.h"
#include "tracker/memory_run_store.h"
#include "tracker/sqlite/artifact_store.h"

/// Databases in tests/golden/transfer: what the real MLflow wrote, as SQL (scripts/conformance/mlflow/import_check.py
/// --golden makes them, and compares whole servers). The mlruns tree is written here, as MLflow 3.18 lays it out.

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void Write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

class ImportTest : public testing::Test {
 protected:
  ImportTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    artifacts_ = *OpenLocalArtifactStore(folder_ / "artifacts");
    models_ = *registry::SqliteModelStore::Open(folder_ / "registry.db", clock_);
  }
  ~ImportTest() override { fs::remove_all(folder_); }

  /// The database that a file of the golden folder describes.
  fs::path Golden(const std::string& name, const std::string& more = "") {
    const fs::path file = folder_ / (name + ".db");
    auto db = sqlite::Database::Open(file);
    const auto sql = ReadWholeFile(fs::path(MUSTER_TEST_GOLDEN) / (name + ".sql"));
    EXPECT_TRUE(db.ok() && sql.ok());
    const Status made = db->Execute("PRAGMA foreign_keys=OFF;" + *sql + more);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return file;
  }
  /// A run and an experiment as MLflow's file store writes them.
  fs::path Tree() {
    const fs::path tree = folder_ / "mlruns";
    const fs::path run = tree / "36" / kRun;
    Write(tree / "36" / "meta.yaml",
          "artifact_location: file:///gone/mlruns/36\ncreation_time: 5\nexperiment_id: '36'\n"
          "last_update_time: 6\nlifecycle_stage: active\nname: speech/öäü\n");
    Write(tree / "36" / "tags" / "team", "a b");
    Write(run / "meta.yaml",
          "artifact_uri: file:///gone/mlruns/36/" + kRun +
              "/artifacts\nend_time: 20\n"
              "experiment_id: '36'\nlifecycle_stage: active\nrun_id: " +
              kRun + "\nrun_name: first\nstart_time: 10\nstatus: 3\ntags: []\nuser_id: ann\n");
    Write(run / "params" / "a" / "b", "x,y");
    Write(run / "tags" / "mlflow.runName", "first");
    Write(run / "metrics" / "loss", "1 0.5 0\n2 nan 1\n3 -inf 2\n");
    Write(run / "metrics" / "acc", "7 0.9 4 train abc\n5 0.1\n");
    Write(run / "inputs" / "i" / "meta.yaml",
          "source_id: d1\nsource_type: DATASET\ntags:\n  mlflow.data.context: training\n");
    Write(run / "outputs" / "o" / "meta.yaml", "destination_id: " + kModel + "\nstep: 4\n");
    Write(run / "artifacts" / "sub" / "a b.txt", "hello");
    Write(
        tree / "36" / "datasets" / "d1" / "meta.yaml",
        "digest: abc\nname: train\nprofile: null\nschema: '{}'\nsource: /x\nsource_type: local\n");
    const fs::path model = tree / "36" / "models" / kModel;
    Write(model / "meta.yaml", "artifact_location: file:///gone/mlruns/36/models/" + kModel +
                                   "/artifacts\n"
                                   "creation_timestamp: 8\nlast_updated_timestamp: 9\nmodel_id: " +
                                   kModel + "\nmodel_type: Agent\nname: m\nsource_run_id: " + kRun +
                                   "\nstatus: 2\n");
    Write(model / "params" / "depth", "3");
    Write(model / "metrics" / "acc", "7 0.9 4 " + kRun + " train abc\n");
    Write(model / "artifacts" / "MLmodel", "flavors:");
    Write(tree / "models" / "digits" / "meta.yaml", "description: D\nname: digits\n");
    Write(tree / "models" / "digits" / "aliases" / "champion", "2");
    Write(tree / "models" / "digits" / "version-2" / "meta.yaml",
          "current_stage: Staging\nname: digits\nrun_id: " + kRun +
              "\nsource: file:///gone/mlruns/36/models/" + kModel + "/artifacts\nversion: 2\n");
    Write(tree / ".trash" / "37" / "meta.yaml",
          "artifact_location: s3://b/37\nlifecycle_stage: deleted\nname: gone\n");
    return tree;
  }
  Result<ImportReport> Take(Result<std::unique_ptr<ImportSource>> source,
                            const ImportOptions& options = {}) {
    if (!source) return source.error();
    return Import(**source, {runs_, *artifacts_, *models_}, options);
  }
  tracker::Run RunNamed(const std::string& name) {
    SearchQuery query{.filter = "attributes.run_name = '" + name + "'", .view = ViewType::kAll};
    const auto experiments = runs_.SearchExperiments({.view = ViewType::kAll});
    for (const Experiment& experiment : experiments->items) {
      query.experiment_ids.push_back(experiment.experiment_id);
    }
    const auto page = runs_.SearchRuns(query);
    EXPECT_EQ(page->items.size(), 1u) << name;
    // A search leaves some of it out.
    return page->items.empty() ? tracker::Run() : *runs_.GetRun(page->items[0].info.run_id);
  }
  std::vector<Metric> History(const tracker::Run& run, std::string_view key) {
    return runs_.MetricHistory(run.info.run_id, key, 1000, "")->items;
  }

  const std::string kRun = "0123456789abcdef0123456789abcdef";
  const std::string kModel = "m-0123456789abcdef0123456789abcdef";
  const fs::path folder_ =
      fs::temp_directory_path() / ("muster-import-" + std::to_string(::getpid()));
  FakeClock clock_;
  MemoryRunStore runs_{clock_};
  std::unique_ptr<ArtifactStore> artifacts_;
  std::unique_ptr<registry::ModelStore> models_;
};

TEST_F(ImportTest, Database_ExperimentsAndRunsKeepIdsTimesAndState) {
  const auto report = Take(OpenMlflowDatabase(Golden("mlflow_3.18")));
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->experiments, 3);
  EXPECT_EQ(report->runs, 5);
  EXPECT_THAT(report->left_out, IsEmpty());
  const auto experiment = runs_.GetExperiment("1");
  EXPECT_EQ(experiment->name, "speech/öäü");
  EXPECT_GT(experiment->creation_time_ms, 1'700'000'000'000);
  EXPECT_THAT(experiment->tags, ElementsAre(Tag{"team", "a b"}, Tag{"π", "3.14"}));
  EXPECT_TRUE(runs_.GetExperiment("2")->deleted);

  const tracker::Run run = RunNamed("first");
  EXPECT_EQ(run.info.user_id, "ann");
  EXPECT_EQ(run.info.status, RunStatus::kFinished);
  EXPECT_EQ(run.info.end_time_ms, 1700000099999);
  EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/1/" + run.info.run_id.value + "/artifacts");
  EXPECT_THAT(run.params, ElementsAre(Param{"empty", ""}, Param{"lr", "0.1"}, Param{"ü/ä", "x,y"}));
  EXPECT_THAT(run.tags, testing::Contains(Tag{"note", "two\nlines, \"q\""}));
  ASSERT_EQ(run.dataset_inputs.size(), 1u);
  EXPECT_EQ(run.dataset_inputs[0].dataset.schema, "{\"a\":1}");
  EXPECT_THAT(run.dataset_inputs[0].tags, ElementsAre(Tag{"mlflow.data.context", "training"}));
  EXPECT_TRUE(RunNamed("deleted").info.deleted);
  EXPECT_TRUE(RunNamed("of gone").info.deleted);
  EXPECT_EQ(RunNamed("of default").info.status, RunStatus::kFailed);
}

TEST_F(ImportTest, Database_PointsModelsAndRegistry) {
  ASSERT_TRUE(Take(OpenMlflowDatabase(Golden("mlflow_3.18"))).ok());
  const tracker::Run run = RunNamed("first");
  const auto loss = History(run, "loss");
  ASSERT_EQ(loss.size(), 31u);
  EXPECT_EQ(loss[0].timestamp_ms, 1700000000000);
  EXPECT_EQ(loss[3].value, 0.25);
  EXPECT_TRUE(std::isnan(History(run, "nan").at(0).value));
  EXPECT_EQ(RunNamed("deleted").metrics.at(0).key, "x");

  ASSERT_EQ(run.model_outputs.size(), 1u);
  const auto model = runs_.GetLoggedModel(run.model_outputs[0].first);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(run.model_outputs[0].second, 4);
  EXPECT_EQ(RunNamed("reader").model_inputs, std::vector{model->model_id});
  EXPECT_EQ(model->status, "LOGGED_MODEL_READY");
  EXPECT_EQ(model->model_type, "Agent");
  EXPECT_THAT(model->params, ElementsAre(Param{"depth", "3"}));
  ASSERT_EQ(model->metrics.size(), 2u);
  EXPECT_EQ(model->metrics[1].second.dataset_digest, "abc");

  const auto digits = models_->GetModel("digits");
  ASSERT_TRUE(digits.ok());
  EXPECT_EQ(digits->description, "D");
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 1);
  EXPECT_EQ(models_->GetVersion("digits", 1)->description, "one");
  EXPECT_FALSE(models_->GetVersion("digits", 2).ok());
  EXPECT_EQ(models_->GetVersion("digits", 3)->stage, "Staging");
}

TEST_F(ImportTest, Again_AddsNothingAndChangesNothing) {
  const fs::path file = Golden("mlflow_3.18");
  ASSERT_TRUE(Take(OpenMlflowDatabase(file)).ok());
  const tracker::Run run = RunNamed("first");
  runs_.LogBatch(run.info.run_id, {.tags = {{"note", "mine"}}}, [](const Status&) {});
  runs_.SetRunDeleted(RunNamed("reader").info.run_id, true, [](const Status&) {});
  ASSERT_TRUE(models_->SetAlias("digits", "champion", 3, {}).ok());
  const auto again = Take(OpenMlflowDatabase(file));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->runs, 0);
  EXPECT_EQ(again->runs_known, 5);
  EXPECT_EQ(again->logged_models, 0);
  EXPECT_EQ(again->versions, 0);
  EXPECT_EQ(History(run, "loss").size(), 31u);
  EXPECT_THAT(RunNamed("first").tags, testing::Contains(Tag{"note", "mine"}));
  EXPECT_TRUE(RunNamed("reader").info.deleted);
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 3);
  EXPECT_EQ(models_->SearchVersions({})->items.size(), 2u);
}

TEST_F(ImportTest, CutOff_TheNextImportCompletesIt) {
  const fs::path file = Golden("mlflow_3.18");
  struct CutOff {};
  const ImportOptions options{.progress = [](const ImportReport& report) {
    if (report.runs == 3) throw CutOff();
  }};
  EXPECT_THROW((void)Take(OpenMlflowDatabase(file), options), CutOff);
  const auto rest = Take(OpenMlflowDatabase(file));
  ASSERT_TRUE(rest.ok()) << rest.error().message;
  EXPECT_EQ(rest->runs + rest->runs_known, 5);
  EXPECT_EQ(rest->runs_known, 3);
  EXPECT_EQ(History(RunNamed("first"), "loss").size(), 31u);
}

TEST_F(ImportTest, Database_OfMlflow28) {
  const auto report = Take(OpenMlflowDatabase(Golden("mlflow_2.8")));
  ASSERT_TRUE(report.ok()) << report.error().message;
  const tracker::Run run = RunNamed("veteran");
  EXPECT_EQ(run.info.experiment_id, "3");
  EXPECT_EQ(run.info.artifact_uri, "s3://b/3/" + kRun + "/artifacts");
  EXPECT_EQ(runs_.GetExperiment("3")->artifact_location, "s3://b/3");
  ASSERT_EQ(History(run, "m").size(), 2u);
  EXPECT_TRUE(std::isnan(History(run, "m")[1].value));
}

TEST_F(ImportTest, Database_ThatIsNone_OrTooNew_SaysSo) {
  const auto error = [&](const fs::path& file) {
    const auto source = OpenMlflowDatabase(file);
    return source.ok() ? Error{} : source.error();
  };
  EXPECT_THAT(error(folder_ / "none.db").message, HasSubstr("none.db"));
  Write(folder_ / "text.db", "this is no database, but it is long enough to have a header of one");
  EXPECT_EQ(error(folder_ / "text.db").kind, ErrorKind::kCorrupt);
  const auto other = sqlite::Database::Open(folder_ / "other.db");
  EXPECT_THAT(error(folder_ / "other.db").message, HasSubstr("alembic_version"));
  const auto newer =
      Golden("mlflow_3.18", "UPDATE alembic_version SET version_num = 'fffffffffff'");
  EXPECT_EQ(error(newer).kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error(newer).message, HasSubstr("'fffffffffff'"));
}

TEST_F(ImportTest, Database_WithAnOddRow_NamesIt) {
  const auto file = Golden("mlflow_3.18", "UPDATE logged_models SET status = 7");
  const auto report = Take(OpenMlflowDatabase(file));
  EXPECT_EQ(report.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(report.error().message, HasSubstr("has status 7"));
}

TEST_F(ImportTest, Database_ProxiedArtifactsComeFromTheServersFolder) {
  const auto file = Golden("mlflow_3.18");
  Write(folder_ / "theirs" / "1" / "models" / "x" / "ignored", "no such run");
  {
    auto owner = sqlite::Database::Open(file);
    auto statement = owner->PrepareOnce("SELECT run_uuid FROM runs WHERE name = 'first'");
    ASSERT_TRUE(*statement->Step());
    const std::string run(statement->Text(0));
    Write(folder_ / "theirs" / "1" / run / "artifacts" / "data" / "ü b.txt", "hello");
  }
  const auto report = Take(OpenMlflowDatabase(file, folder_ / "theirs"));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->files, 1);
  EXPECT_EQ(report->bytes, 5);
  const tracker::Run run = RunNamed("first");
  const auto stored = artifacts_->Get("1/" + run.info.run_id.value + "/artifacts/data/ü b.txt");
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(*ReadWholeFile(stored->path), "hello");
}

TEST_F(ImportTest, Tree_RunsPointsInputsAndModels) {
  const auto report = Take(OpenMlrunsFolder(Tree()));
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->left_out, IsEmpty());
  EXPECT_EQ(runs_.GetExperiment("36")->name, "speech/öäü");
  EXPECT_EQ(runs_.GetExperiment("36")->creation_time_ms, 5);
  EXPECT_TRUE(runs_.GetExperiment("37")->deleted);
  const auto run = runs_.GetRun(RunId(kRun));
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->info.run_name, "first");
  EXPECT_EQ(run->info.status, RunStatus::kFinished);
  EXPECT_EQ(run->info.end_time_ms, 20);
  EXPECT_THAT(run->params, ElementsAre(Param{"a/b", "x,y"}));
  ASSERT_EQ(History(*run, "loss").size(), 3u);
  EXPECT_TRUE(std::isinf(History(*run, "loss")[2].value));
  ASSERT_EQ(History(*run, "acc").size(), 2u);
  EXPECT_EQ(History(*run, "acc")[0].step, 0);
  EXPECT_EQ(History(*run, "acc")[1].step, 4);
  EXPECT_EQ(run->dataset_inputs.at(0).dataset.digest, "abc");
  EXPECT_EQ(run->model_outputs.at(0).first, kModel);
  const auto model = runs_.GetLoggedModel(kModel);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->metrics.at(0).second.dataset_name, "train");
  EXPECT_THAT(model->params, ElementsAre(Param{"depth", "3"}));
}

TEST_F(ImportTest, Tree_FilesAreCopied_AlsoWhenTheTreeWasMoved_AndSourcesFollow) {
  const auto report = Take(OpenMlrunsFolder(Tree()));
  EXPECT_EQ(report->files, 2);
  EXPECT_EQ(runs_.GetRun(RunId(kRun))->info.artifact_uri,
            "mlflow-artifacts:/36/" + kRun + "/artifacts");
  EXPECT_TRUE(artifacts_->Get("36/" + kRun + "/artifacts/sub/a b.txt").ok());
  EXPECT_TRUE(artifacts_->Get("36/models/" + kModel + "/artifacts/MLmodel").ok());
  EXPECT_FALSE(models_->GetVersion("digits", 1).ok());
  const auto version = models_->GetVersion("digits", 2);
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->source, "mlflow-artifacts:/36/models/" + kModel + "/artifacts");
  EXPECT_EQ(version->stage, "Staging");
  EXPECT_EQ(models_->GetByAlias("digits", "champion")->version, 2);
  const auto again = Take(OpenMlrunsFolder(folder_ / "mlruns"));
  EXPECT_EQ(again->files, 0);
  EXPECT_EQ(again->versions, 0);
}

TEST_F(ImportTest, Tree_KeptAddresses) {
  const auto report = Take(OpenMlrunsFolder(Tree()), {.copy_artifacts = false});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->files, 0);
  EXPECT_EQ(runs_.GetRun(RunId(kRun))->info.artifact_uri,
            "file:///gone/mlruns/36/" + kRun + "/artifacts");
  EXPECT_EQ(models_->GetVersion("digits", 2)->source,
            "file:///gone/mlruns/36/models/" + kModel + "/artifacts");
}

TEST_F(ImportTest, Tree_DamageIsNamedByFileAndLine) {
  const fs::path run = Tree() / "36" / kRun;
  const auto error = [&] { return Take(OpenMlrunsFolder(folder_ / "mlruns")).error(); };
  Write(run / "metrics" / "loss", "1 0.5 0\n2 0.5 zero\n");
  EXPECT_THAT(error().message, HasSubstr("metrics/loss:2"));
  Write(run / "metrics" / "loss", "1 0.5 0 7\n");
  EXPECT_THAT(error().message, HasSubstr("metrics/loss:1"));
  fs::remove(run / "metrics" / "loss");
  Write(run / "meta.yaml", "status: [1\n");
  EXPECT_THAT(error().message, HasSubstr("meta.yaml"));
  Write(run / "meta.yaml", "status: 9\n");
  EXPECT_THAT(error().message, HasSubstr("status 9"));
  Write(run / "meta.yaml", "status: 1\nstart_time: soon\n");
  EXPECT_THAT(error().message, HasSubstr("field 'start_time' is no integer"));
  EXPECT_EQ(OpenMlrunsFolder(folder_ / "artifacts").error().kind, ErrorKind::kCorrupt);
}

TEST_F(ImportTest, Registry_VersionsThatDoNotFitAreLeftOut) {
  ASSERT_TRUE(models_->CreateModel("digits", "mine", {}, {}).ok());
  ASSERT_TRUE(models_->CreateVersion({.name = "digits", .source = "mine"}, {}).ok());
  const auto report = Take(OpenMlrunsFolder(Tree()));
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->left_out, ElementsAre(HasSubstr("'digits' is left out from version 1")));
  EXPECT_EQ(models_->GetVersion("digits", 1)->source, "mine");
  EXPECT_FALSE(models_->GetByAlias("digits", "champion").ok());
}

TEST(LocalPath, UrisAndPaths) {
  EXPECT_EQ(LocalPath("file:///a%20b/c", "/x"), "/a b/c");
  EXPECT_EQ(LocalPath("file:/a", "/x"), "/a");
  EXPECT_EQ(LocalPath("file://host/a", "/x"), "/a");
  EXPECT_EQ(LocalPath("/a b", "/x"), "/a b");
  EXPECT_EQ(LocalPath("mlruns/0", "/x"), "/x/mlruns/0");
  EXPECT_EQ(LocalPath("s3://bucket/a", "/x"), std::nullopt);
  EXPECT_EQ(LocalPath("mlflow-artifacts:/0", "/x"), std::nullopt);
  EXPECT_EQ(LocalPath("", "/x"), std::nullopt);
}

}  // namespace
}  // namespace muster::tracker
