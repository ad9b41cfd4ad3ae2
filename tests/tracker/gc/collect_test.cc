#include "tracker/gc/collect.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "registry/memory_model_store.h"
#include "tracker/files/folder_store.h"
#include "tracker/memory_run_store.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/wait_for.h"

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Another store, that may be told to remove nothing.
class Stubborn final : public ArtifactStore {
 public:
  explicit Stubborn(ArtifactStore& store) : store_(store) {}
  Status Put(std::string_view path, const NewArtifact& artifact) override {
    return store_.Put(path, artifact);
  }
  Result<ArtifactFile> Get(std::string_view path) override { return store_.Get(path); }
  Result<std::vector<ArtifactInfo>> List(std::string_view folder) override {
    return store_.List(folder);
  }
  Status Delete(std::string_view path) override {
    return refuses ? Unavailable("not today") : store_.Delete(path);
  }
  bool refuses = false;

 private:
  ArtifactStore& store_;
};

class CollectTest : public testing::Test {
 protected:
  CollectTest() {
    std::string pattern = (fs::temp_directory_path() / "muster_gc_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    artifacts_ = OpenLocalArtifactStore(folder_ / "artifacts").value();
    EXPECT_TRUE(models_.CreateModel("digits", "", {}, {}).ok());
  }
  ~CollectTest() override {
    artifacts_.reset();
    fs::remove_all(folder_);
  }

  GcParts Parts() { return {runs_, *artifacts_, open_root_, models_, clock_}; }
  GcReport Collect(const GcPolicy& policy = {}, const GcHooks& hooks = {}) {
    auto report = CollectGarbage(Parts(), policy, hooks);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : GcReport();
  }

  RunId AddRun(const std::string& id, const std::string& experiment = "0") {
    const auto made = WaitFor<Result<tracker::Run>>([&](auto done) {
      runs_.CreateRun({.run_id = RunId(id),
                       .experiment_id = experiment,
                       .run_name = "named " + id,
                       .start_time_ms = clock_.UnixNow()},
                      std::move(done));
    });
    EXPECT_TRUE(made.ok());
    EXPECT_TRUE(WaitFor<Status>([&](auto done) {
                  runs_.LogBatch(RunId(id), {.metrics = {{"m", 1, 1, 1}, {"m", 2, 2, 2}}}, done);
                }).ok());
    return RunId(id);
  }
  RunId AddEndedRun(const std::string& id, double accuracy) {
    AddRun(id);
    EXPECT_TRUE(WaitFor<Status>([&](auto done) {
                  runs_.LogBatch(RunId(id), {.metrics = {{"accuracy", accuracy, 1, 1}}}, done);
                }).ok());
    EXPECT_TRUE(WaitFor<Result<RunInfo>>([&](auto done) {
                  runs_.UpdateRun(RunId(id), {.status = RunStatus::kFinished}, std::move(done));
                }).ok());
    return RunId(id);
  }
  void Delete(const RunId& run) {
    EXPECT_TRUE(WaitFor<Status>([&](auto done) { runs_.SetRunDeleted(run, true, done); }).ok());
  }
  void PutFile(const RunId& run, const std::string& content) {
    EXPECT_TRUE(artifacts_->PutBytes("0/" + run.value + "/artifacts/a/file", content).ok());
  }
  bool HasFile(const RunId& run) {
    return artifacts_->Get("0/" + run.value + "/artifacts/a/file").ok();
  }
  void Register(const RunId& run) {
    EXPECT_TRUE(models_
                    .CreateVersion({.name = "digits",
                                    .source = "mlflow-artifacts:/0/" + run.value + "/artifacts/a",
                                    .run_id = ""},
                                   {})
                    .ok());
  }
  std::size_t Contents() {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "artifacts" / "objects")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  bool Exists(const RunId& run) { return runs_.GetRun(run).ok(); }

  FakeClock clock_;
  fs::path folder_;
  MemoryRunStore runs_{clock_};
  registry::MemoryModelStore models_{clock_};
  std::unique_ptr<ArtifactStore> artifacts_;
  std::function<Result<std::shared_ptr<ArtifactStore>>(std::string_view)> open_root_;
};

TEST_F(CollectTest, WhatWasDeletedLongAgo_GoesWithItsFiles_TheRestStays) {
  const RunId gone = AddRun("gone"), young = AddRun("young"), live = AddRun("live");
  PutFile(gone, "12345");
  PutFile(young, "same");
  PutFile(live, "same");
  Delete(gone);
  clock_.Advance(hours(24 * 30));
  Delete(young);
  const GcReport report = Collect();
  EXPECT_EQ(report.phase, "done");
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.points, 2);
  EXPECT_EQ(report.files, 1);
  EXPECT_EQ(report.bytes, 5);
  EXPECT_EQ(report.contents, 1);
  EXPECT_EQ(report.freed_bytes, 5);
  EXPECT_THAT(report.examples, ElementsAre("run gone (named gone)"));
  EXPECT_FALSE(Exists(gone));
  EXPECT_FALSE(HasFile(gone));
  EXPECT_TRUE(Exists(young) && HasFile(young) && Exists(live) && HasFile(live));
  EXPECT_EQ(Contents(), 1U);
  EXPECT_THAT(*runs_.ErasedRoots("", 10), IsEmpty());
  // What one of two names held together stays while the other has it.
  EXPECT_EQ(Collect({.older_than_ms = 0}).freed_bytes, 0);
  EXPECT_TRUE(HasFile(live));
}

TEST_F(CollectTest, DryRun_TellsAndChangesNothing) {
  const RunId gone = AddRun("gone");
  PutFile(gone, "12345");
  Delete(gone);
  AddEndedRun("ended", 1);
  const GcReport report = Collect({.older_than_ms = 0, .keep_last = 0, .dry_run = true});
  EXPECT_TRUE(report.dry_run);
  EXPECT_EQ(report.retired, 1);
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.points, 2);
  EXPECT_EQ(report.files, 1);
  EXPECT_EQ(report.bytes, 5);
  EXPECT_EQ(report.contents, 0);
  EXPECT_TRUE(Exists(gone) && HasFile(gone));
  EXPECT_FALSE(runs_.GetRun(RunId("ended"))->info.deleted);
}

TEST_F(CollectTest, ADeletedExperiment_GoesWhole_AndItsNameIsFree) {
  const auto create = [&] {
    return WaitFor<Result<std::string>>(
        [&](auto done) { runs_.CreateExperiment("e", "", {}, std::move(done)); });
  };
  const std::string id = create().value();
  AddRun("in", id);
  EXPECT_TRUE(WaitFor<Status>([&](auto done) { runs_.SetExperimentDeleted(id, true, done); }).ok());
  const GcPolicy policy{.older_than_ms = 0, .experiments = {"e"}};
  GcPolicy dry = policy;
  dry.dry_run = true;
  EXPECT_EQ(Collect(dry).experiments, 1);
  const GcReport report = Collect(policy);
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.experiments, 1);
  EXPECT_NE(create().value(), id);
}

TEST_F(CollectTest, WhatAModelVersionComesFrom_Stays_AndItsExperiment) {
  const std::string experiment = WaitFor<Result<std::string>>([&](auto done) {
                                   runs_.CreateExperiment("e", "", {}, std::move(done));
                                 }).value();
  const RunId used = AddRun("used", experiment), gone = AddRun("gone", experiment);
  EXPECT_TRUE(models_.CreateVersion({.name = "digits", .source = "x", .run_id = "used"}, {}).ok());
  EXPECT_TRUE(
      WaitFor<Status>([&](auto done) { runs_.SetExperimentDeleted(experiment, true, done); }).ok());
  for (const bool dry : {true, false}) {
    const GcReport report = Collect({.older_than_ms = 0, .dry_run = dry});
    EXPECT_EQ(report.runs, 1);
    EXPECT_EQ(report.experiments, 0);
    EXPECT_THAT(report.kept_because,
                ElementsAre("run used (named used): version 1 of 'digits' comes from it",
                            "experiment 1 (e): something in it is kept"));
  }
  EXPECT_TRUE(Exists(used));
  EXPECT_FALSE(Exists(gone));
  EXPECT_TRUE(models_.DeleteVersion("digits", 1, {}).ok());
  EXPECT_EQ(Collect({.older_than_ms = 0}).experiments, 1);
}

TEST_F(CollectTest, AVersionMadeMeanwhile_KeepsItsFiles) {
  const RunId run = AddRun("r");
  PutFile(run, "model");
  Delete(run);
  bool registered = false;
  const GcReport report = Collect({.older_than_ms = 0}, {.progress = [&](const GcReport& so_far) {
                                    if (so_far.phase == "rows" && !std::exchange(registered, true))
                                      Register(run);
                                  }});
  ASSERT_TRUE(registered);
  EXPECT_EQ(report.runs, 1);
  EXPECT_THAT(report.kept_because, ElementsAre(HasSubstr("version 1 of 'digits' comes from them")));
  EXPECT_TRUE(HasFile(run));
  // They go once nobody needs them.
  EXPECT_TRUE(models_.DeleteVersion("digits", 1, {}).ok());
  EXPECT_EQ(Collect().files, 1);
  EXPECT_FALSE(HasFile(run));
}

TEST_F(CollectTest, StoppedAfterAnyStep_TheNextOneDoesTheRest) {
  bool whole = false;
  for (int steps = 1; !whole; ++steps) {
    const std::string number = std::to_string(steps);
    const RunId gone = AddRun("gone" + number), live = AddRun("live" + number);
    PutFile(gone, "gone" + number);
    PutFile(live, "live" + number);
    Delete(gone);
    int left = steps;
    const auto report =
        CollectGarbage(Parts(), {.older_than_ms = 0}, {.stopped = [&] { return --left == 0; }});
    whole = report.ok();
    if (!whole) {
      EXPECT_EQ(report.error().kind, ErrorKind::kUnavailable);
    }
    EXPECT_TRUE(Exists(live) && HasFile(live)) << steps;
    Collect({.older_than_ms = 0});
    EXPECT_FALSE(Exists(gone) || HasFile(gone)) << steps;
    EXPECT_THAT(*runs_.ErasedRoots("", 10), IsEmpty()) << steps;
    EXPECT_EQ(Contents(), static_cast<std::size_t>(steps));
    ASSERT_LT(steps, 20);
  }
}

TEST_F(CollectTest, Rules_DeleteSoftly_AndForGoodWhenTheTimeHasCome) {
  const RunId best = AddEndedRun("best", 0.9);
  clock_.Advance(hours(1));
  const RunId worse = AddEndedRun("worse", 0.1), used = AddEndedRun("used", 0.2);
  clock_.Advance(hours(1));
  const RunId newest = AddEndedRun("newest", 0.3), running = AddRun("running");
  Register(used);
  const GcPolicy rules{.experiments = {"Default"},
                       .keep_last = 1,
                       .keep_best = 1,
                       .metric = "accuracy",
                       .mode = "max"};
  GcReport report = Collect(rules);
  EXPECT_EQ(report.retired, 1);
  EXPECT_EQ(report.runs, 0);
  EXPECT_THAT(report.kept_because, ElementsAre("run used: version 1 of 'digits' comes from it"));
  EXPECT_TRUE(runs_.GetRun(worse)->info.deleted);
  for (const RunId& run : {best, used, newest, running}) {
    EXPECT_FALSE(runs_.GetRun(run)->info.deleted) << run.value;
  }
  clock_.Advance(hours(24 * 30));
  report = Collect(rules);
  EXPECT_EQ(report.retired, 0);
  EXPECT_EQ(report.runs, 1);
  EXPECT_FALSE(Exists(worse));
  report = Collect({.older_than_ms = 0, .filter = "metrics.accuracy = 0.3"});
  EXPECT_EQ(report.retired, 1);
  EXPECT_EQ(report.runs, 1);
  EXPECT_FALSE(Exists(newest));
  EXPECT_TRUE(Exists(best) && Exists(running));
}

TEST_F(CollectTest, Named_OnlyWhatIsDeletedGoes_AndNothingElse) {
  const RunId gone = AddRun("gone"), other = AddRun("other"), live = AddRun("live");
  Delete(gone);
  Delete(other);
  const auto error = [&](const GcPolicy& policy) {
    return CollectGarbage(Parts(), policy).error();
  };
  EXPECT_EQ(error({.runs = {"gone", "live"}}).message,
            "run live is not deleted; delete it first, gc takes only what is");
  EXPECT_EQ(error({.runs = {"none"}}).kind, ErrorKind::kNotFound);
  EXPECT_EQ(error({.logged_models = {"m-1"}}).kind, ErrorKind::kNotFound);
  EXPECT_EQ(error({.experiments = {"none"}}).message,
            "no experiment has the id or the name 'none'");
  EXPECT_EQ(error({.filter = "wrong"}).kind, ErrorKind::kInvalid);
  EXPECT_TRUE(Exists(gone)) << "nothing was begun";
  const GcReport young = Collect({.older_than_ms = 1'000, .runs = {"gone"}});
  EXPECT_EQ(young.runs, 0);
  EXPECT_THAT(young.kept_because,
              ElementsAre("run gone (named gone): not deleted long enough ago"));
  EXPECT_EQ(Collect({.runs = {"gone"}}).runs, 1);
  EXPECT_TRUE(!Exists(gone) && Exists(other) && Exists(live));
}

TEST_F(CollectTest, FilesElsewhere_AreRemovedWhereAllowed_AndElseToldOf) {
  const fs::path inside = folder_ / "runs" / "in" / "artifacts";
  fs::create_directories(inside / "sub");
  std::ofstream(inside / "sub" / "file") << "12";
  std::ofstream(folder_ / "runs" / "beside") << "3";
  open_root_ = [this](std::string_view uri) { return OpenLocalRoot(uri, {folder_ / "runs"}); };
  const auto adopt = [&](const char* id, const std::string& uri) {
    EXPECT_TRUE(WaitFor<Result<bool>>([&](auto done) {
                  runs_.AdoptRun({.run_id = RunId(id), .experiment_id = "0", .artifact_uri = uri},
                                 std::move(done));
                }).ok());
    Delete(RunId(id));
  };
  adopt("in", "file://" + inside.string());
  adopt("out", "file:///etc/x");
  adopt("foreign", "gs://bucket/x");
  adopt("all", "mlflow-artifacts:/");
  const GcReport report = Collect({.older_than_ms = 0});
  EXPECT_EQ(report.runs, 4);
  EXPECT_EQ(report.files, 1);
  EXPECT_EQ(report.failed, 3);
  EXPECT_THAT(report.failures, SizeIs(3));
  EXPECT_TRUE(fs::is_empty(inside));
  EXPECT_TRUE(fs::exists(folder_ / "runs" / "beside"));
  EXPECT_EQ(Collect({.older_than_ms = 0}).failed, 0) << "told once";
}

TEST_F(CollectTest, FilesThatCannotBeRemovedNow_AreTriedAgain) {
  const RunId run = AddRun("r");
  PutFile(run, "1");
  Delete(run);
  Stubborn store(*artifacts_);
  store.refuses = true;
  const GcParts parts{runs_, store, {}, models_, clock_};
  const GcReport report = CollectGarbage(parts, {.older_than_ms = 0}).value();
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.files, 0);
  EXPECT_THAT(report.failures, ElementsAre(HasSubstr("not today")));
  store.refuses = false;
  EXPECT_EQ(CollectGarbage(parts, {}).value().files, 1);
  EXPECT_FALSE(HasFile(run));
}

}  // namespace
}  // namespace muster::tracker
