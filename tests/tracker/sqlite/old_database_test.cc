#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <limits>

#include "runtime/base/clock.h"
#include "tracker/memory_run_store.h"
#include "tracker/mlflow/entities.h"
#include "tracker/mlflow/run_text.h"
#include "tracker/run_rules.h"
#include "tracker/sqlite/artifact_store.h"
#include "tracker/sqlite/run_store.h"

/// tests/golden/tracker/v<N>.db: tracker.db as muster of that schema version wrote it, every table filled, and
/// v<N>_artifacts an artifact store's folder. Files of every version are opened and read for ever. To make that of
/// a new version, run this test with MUSTER_WRITE_GOLDEN=<N>, before anything is released that writes it.

namespace muster::tracker {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = MUSTER_TEST_GOLDEN;

/// Waits for a write and answers what it answered.
template <typename Answer, typename Call>
Answer Wait(Call call) {
  std::promise<Answer> promise;
  call([&](Answer answer) { promise.set_value(std::move(answer)); });
  return promise.get_future().get();
}
template <typename Call>
void Do(Call call) {
  const Status status = Wait<Status>(std::move(call));
  ASSERT_TRUE(status.ok()) << status.error().message;
}

LoggedModel MakeModel(RunStore& store, std::string name) {
  return Wait<Result<LoggedModel>>([&](auto done) {
           store.CreateLoggedModel({.experiment_id = "1",
                                    .name = std::move(name),
                                    .model_type = "cnn",
                                    .source_run_id = "run-a",
                                    .tags = {{"stage", "old"}},
                                    .params = {{"depth", "3"}}},
                                   std::move(done));
         })
      .value();
}

/// Points enough for several chunks, late ones and repeated ones among them.
Batch LongSeries() {
  Batch batch;
  for (int i = 0; i < 2'500; ++i) {
    const int step = i % 7 == 0 && i > 50 ? i - 40 : i;
    batch.metrics.push_back({.key = "loss",
                             .value = 1.0 / (1 + step),
                             .timestamp_ms = 1'000 + 10 * step,
                             .step = step});
  }
  return batch;
}

void FillMetrics(RunStore& store, const LoggedModel& model) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Do([&](auto done) { store.LogBatch(RunId("run-a"), LongSeries(), done); });
  Batch odd;
  for (const double value : {1.5, std::nan(""), kInfinity, -kInfinity, -0.25}) {
    odd.metrics.push_back({.key = "odd", .value = value, .timestamp_ms = 5, .step = -2});
  }
  odd.metrics.push_back({.key = "acc",
                         .value = 0.5,
                         .timestamp_ms = 7,
                         .step = 1,
                         .model_id = model.model_id,
                         .dataset_name = "digits",
                         .dataset_digest = "d1"});
  odd.params = {{"lr", "0.1"}, {"empty", ""}, {"Größe", "ß"}};
  odd.tags = {{"note", "it's"}};
  Do([&](auto done) { store.LogBatch(RunId("run-a"), odd, done); });
  // Attempt 2 goes on after step 3: steps 4 and 5 of attempt 1 are hidden.
  for (const int attempt : {1, 2}) {
    Batch resumed;
    for (int step = attempt == 1 ? 0 : 4; step < 6; ++step) {
      resumed.metrics.push_back({.key = "resumed",
                                 .value = 10.0 * attempt + step,
                                 .timestamp_ms = 100 * attempt + step,
                                 .step = step,
                                 .attempt = attempt});
    }
    if (attempt == 2) Do([&](auto done) { store.ResumeAt(RunId("run-b"), 2, 3, done); });
    Do([&](auto done) { store.LogBatch(RunId("run-b"), resumed, done); });
  }
}

void FillRuns(RunStore& store) {
  for (const char* id : {"run-a", "run-b", "run-gone"}) {
    const auto run = Wait<Result<tracker::Run>>([&](auto done) {
      store.CreateRun({.run_id = RunId(id),
                       .experiment_id = "1",
                       .user_id = "ada",
                       .run_name = std::string(id) + " named",
                       .start_time_ms = 1'700'000'000'001,
                       .tags = {{"of", id}}},
                      std::move(done));
    });
    ASSERT_TRUE(run.ok());
  }
  Do([&](auto done) { store.SetRunDeleted(RunId("run-gone"), true, done); });
  const auto ended = Wait<Result<RunInfo>>([&](auto done) {
    store.UpdateRun(RunId("run-a"), {.status = RunStatus::kFinished, .end_time_ms = 9}, done);
  });
  ASSERT_TRUE(ended.ok());
}

/// Every kind of row that the port can write.
void Fill(RunStore& store) {
  for (const char* name : {"digits", "gone"}) {
    const auto id = Wait<Result<std::string>>([&](auto done) {
      store.CreateExperiment(name, "", {{"team", "vision"}, {"more", ""}}, std::move(done));
    });
    ASSERT_TRUE(id.ok());
  }
  Do([&](auto done) { store.SetExperimentDeleted("2", true, done); });
  FillRuns(store);
  const LoggedModel model = MakeModel(store, "kept"), gone = MakeModel(store, "gone");
  Do([&](auto done) { store.DeleteLoggedModel(gone.model_id, done); });
  Do([&](auto done) { store.SetLoggedModelTags(model.model_id, {{"stage", "new"}}, done); });
  FillMetrics(store, model);
  const DatasetInput input{{"digits", "d1", "local", "{}", "{\"x\": 1}", "{}"},
                           {{"mlflow.data.context", "train"}}};
  Do([&](auto done) { store.LogInputs(RunId("run-a"), {input}, {model.model_id}, done); });
  Do([&](auto done) { store.LogOutputs(RunId("run-a"), {{model.model_id, 4}}, done); });
  Batch of_rank{.places = {{.rank = 3, .node = "n1", .gpu = 2}}};
  of_rank.metrics.push_back({.key = "step_seconds", .value = 0.2, .step = 5, .rank = 3});
  Do([&](auto done) { store.LogBatch(RunId("run-a"), of_rank, done); });
}

/// All that can be read, as text; model ids, which are random, as the models' names.
std::string Describe(RunStore& store) {
  std::string text;
  const auto add = [&](const boost::json::object& object) {
    text += boost::json::serialize(object) + "\n";
  };
  const auto experiments = store.SearchExperiments({.view = ViewType::kAll}).value();
  for (const Experiment& experiment : experiments.items) add(ToMlflow(experiment));
  const SearchQuery all{
      .experiment_ids = {"0", "1", "2"}, .order_by = {"attribute.run_id"}, .view = ViewType::kAll};
  const auto runs = store.SearchRuns(all).value();
  for (const tracker::Run& found : runs.items) {
    const tracker::Run run = store.GetRun(found.info.run_id).value();
    text += RunAnswer(run).text + "\n";
    for (const Metric& latest : run.metrics) {
      const auto history =
          store.MetricHistory(run.info.run_id, latest.key, kMaxHistoryPage, "").value();
      for (const Metric& point : history.items) {
        add(ToMlflow(point));
        text += std::to_string(point.attempt) + "\n";
      }
    }
  }
  for (const char* filter :
       {"max(metrics.resumed) = 25", "min(metrics.odd) < -1 OR max(metrics.loss) > 2"}) {
    const auto found =
        store.SearchRuns({.experiment_ids = {"1"}, .filter = filter, .own_language = true}).value();
    for (const tracker::Run& run : found.items)
      text += filter + (": " + run.info.run_id.value) + "\n";
  }
  const auto models = store.SearchLoggedModels({.experiment_ids = {"1"}}).value();
  for (const LoggedModel& model : models.items) {
    add(ToMlflow(model));
    for (std::size_t at = 0; (at = text.find(model.model_id, at)) != text.npos;) {
      text.replace(at, model.model_id.size(), model.name);
    }
  }
  return text;
}

class OldDatabase : public testing::Test {
 protected:
  OldDatabase() {
    std::string pattern = (fs::temp_directory_path() / "muster_golden_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~OldDatabase() override { fs::remove_all(folder_); }

  FakeClock clock_;
  fs::path folder_;
};

void Write(const std::string& version, const Clock& clock) {
  const auto store = OpenSqliteRunStore(kFolder / ("v" + version + ".db"), clock);
  Fill(**store);
  const auto artifacts = OpenLocalArtifactStore(kFolder / ("v" + version + "_artifacts"));
  ASSERT_TRUE((*artifacts)->PutBytes("1/run-a/artifacts/a/b.txt", "hello\n").ok());
}

TEST_F(OldDatabase, TrackerOfEveryVersion_ReadsAsTheDayItWasWritten) {
  if (const char* version = std::getenv("MUSTER_WRITE_GOLDEN")) Write(version, clock_);
  MemoryRunStore wanted(clock_);
  Fill(wanted);
  int read = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".db") continue;
    const fs::path copy = folder_ / entry.path().filename();
    fs::copy_file(entry.path(), copy);
    fs::permissions(copy, fs::perms::owner_write, fs::perm_options::add);
    for (const bool again : {false, true}) {
      const auto store = OpenSqliteRunStore(copy, clock_);
      ASSERT_TRUE(store.ok()) << copy << ": " << store.error().message;
      EXPECT_EQ(Describe(**store), Describe(wanted)) << copy << (again ? " again" : "");
    }
    ++read;
  }
  EXPECT_GT(read, 0);
}

/// Version 6 made them.
TEST_F(OldDatabase, RanksOfVersion9_AreThere) {
  const fs::path copy = folder_ / "v9.db";
  fs::copy_file(kFolder / "v9.db", copy);
  fs::permissions(copy, fs::perms::owner_write, fs::perm_options::add);
  MemoryRunStore wanted(clock_);
  Fill(wanted);
  const auto store = OpenSqliteRunStore(copy, clock_);
  ASSERT_TRUE(store.ok()) << store.error().message;
  const auto ranks = (*store)->ReadRanks(RunId("run-a"));
  ASSERT_TRUE(ranks.ok());
  ASSERT_EQ(ranks->ranks.size(), 1U);
  EXPECT_EQ(ranks->ranks, wanted.ReadRanks(RunId("run-a"))->ranks);
  EXPECT_EQ(ranks->ranks.front().place.node, "n1");
}

TEST_F(OldDatabase, WhatAnOlderMusterDeleted_CountsFromTheUpgradeOn) {
  const fs::path copy = folder_ / "v4.db";
  fs::copy_file(kFolder / "v4.db", copy);
  fs::permissions(copy, fs::perms::owner_write, fs::perm_options::add);
  const UnixMillis before = SystemClock().UnixNow();
  const auto store = OpenSqliteRunStore(copy, SystemClock());
  ASSERT_TRUE(store.ok()) << store.error().message;
  const ErasureScope now{.deleted_before = SystemClock().UnixNow()};
  // Its clock tells whole seconds.
  const ErasureScope earlier{.deleted_before = before - 1'000};
  const std::vector<std::pair<ErasableKind, std::string>> gone = {
      {ErasableKind::kRun, "run-gone named"},
      {ErasableKind::kLoggedModel, "gone"},
      {ErasableKind::kExperiment, "gone"}};
  for (const auto& [kind, name] : gone) {
    EXPECT_TRUE((*store)->FindErasable(kind, earlier, 10, "", false)->items.empty());
    const auto found = (*store)->FindErasable(kind, now, 10, "", false);
    ASSERT_EQ(found->items.size(), 1U) << name;
    EXPECT_EQ(found->items[0].name, name);
  }
}

TEST_F(OldDatabase, ArtifactsOfEveryVersion_AreThere) {
  int read = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (!entry.is_directory() || !entry.path().string().ends_with("_artifacts")) continue;
    const fs::path copy = folder_ / entry.path().filename();
    fs::copy(entry.path(), copy, fs::copy_options::recursive);
    const auto store = OpenLocalArtifactStore(copy);
    ASSERT_TRUE(store.ok()) << copy << ": " << store.error().message;
    const auto list = (*store)->List("1/run-a/artifacts/a");
    ASSERT_EQ(list->size(), 1U);
    EXPECT_EQ(list->front().path, "b.txt");
    EXPECT_EQ(list->front().sha256,
              "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    EXPECT_TRUE((*store)->Get("1/run-a/artifacts/a/b.txt").ok());
    ++read;
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace muster::tracker
