#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

namespace muster::tracker {

using testing::ElementsAre;

RunStoreContract::RunStoreContract() {
  std::string pattern = (std::filesystem::temp_directory_path() / "muster_runs_XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  store_ = GetParam().make(clock_, folder_);
}

RunStoreContract::~RunStoreContract() {
  store_.reset();
  std::filesystem::remove_all(folder_);
}

void RunStoreContract::Reopen() {
  store_.reset();
  store_ = GetParam().make(clock_, folder_);
}

Result<std::string> RunStoreContract::CreateExperiment(std::string name, std::vector<Tag> tags) {
  Await<Result<std::string>> await;
  store_->CreateExperiment(std::move(name), "", std::move(tags), await.callback());
  return await.Get();
}

tracker::Run RunStoreContract::CreateRun(std::string name, std::int64_t start_ms,
                                         std::string experiment) {
  Await<Result<tracker::Run>> await;
  store_->CreateRun({.experiment_id = std::move(experiment),
                     .user_id = "ada",
                     .run_name = std::move(name),
                     .start_time_ms = start_ms},
                    await.callback());
  return await.Get().value();
}

Status RunStoreContract::Log(const RunId& run, Batch batch) {
  Await<Status> await;
  store_->LogBatch(run, std::move(batch), await.callback());
  return await.Get();
}

Status RunStoreContract::LogPoint(const RunId& run, std::string key, double value,
                                  std::int64_t step, std::int64_t timestamp_ms,
                                  std::int64_t attempt) {
  return Log(run, {.metrics = {{.key = std::move(key),
                                .value = value,
                                .timestamp_ms = timestamp_ms,
                                .step = step,
                                .attempt = attempt}}});
}

Status RunStoreContract::Resume(const RunId& run, std::int64_t attempt, std::int64_t step) {
  Await<Status> await;
  store_->ResumeAt(run, attempt, step, await.callback());
  return await.Get();
}

LoggedModel RunStoreContract::CreateModel(LoggedModel model) {
  Await<Result<LoggedModel>> await;
  store_->CreateLoggedModel(std::move(model), await.callback());
  return await.Get().value();
}

std::vector<std::string> RunStoreContract::Search(std::string filter,
                                                  std::vector<std::string> order_by) {
  const auto page = store_->SearchRuns(
      {.experiment_ids = {"0"}, .filter = filter, .order_by = std::move(order_by)});
  if (!page) return {page.error().message};
  std::vector<std::string> names;
  for (const tracker::Run& run : page->items) names.push_back(run.info.run_name);
  return names;
}

std::vector<double> RunStoreContract::History(const RunId& run, std::string_view key) {
  const auto page = store_->MetricHistory(run, key, 1'000, "");
  std::vector<double> values;
  for (const Metric& metric : page.value().items) values.push_back(metric.value);
  return values;
}

TEST_P(RunStoreContract, Observer_HearsCommittedMetricsBeforeDone) {
  const RunId id = CreateRun("r").info.run_id;
  std::vector<std::string> heard;
  store_->SetMetricObserver([&](const RunId& run, const std::vector<Metric>& metrics) {
    for (const Metric& metric : metrics) heard.push_back(run.value + "/" + metric.key);
  });
  ASSERT_TRUE(LogPoint(id, "m", 1, 0).ok());
  EXPECT_THAT(heard, ElementsAre(id.value + "/m"));
  EXPECT_FALSE(LogPoint(id, "", 1, 0).ok());
  ASSERT_TRUE(Log(id, {.tags = {{"t", "1"}}}).ok());
  ASSERT_TRUE(Log(id, {.metrics = {{"m", 3, 0, 3}}, .observed = false}).ok());
  EXPECT_EQ(heard.size(), 1u);
  store_->SetMetricObserver({});
  ASSERT_TRUE(LogPoint(id, "m", 2, 1).ok());
  EXPECT_EQ(heard.size(), 1u);
}

TEST_P(RunStoreContract, EventSink_HearsWhatWasCommittedBeforeDone) {
  std::vector<std::string> heard;
  struct Name {
    std::string operator()(const NewPoints& logged) {
      std::string text = "points";
      for (const Metric& point : *logged.points) text += " " + point.key;
      return text;
    }
    std::string operator()(const RunChanged& changed) {
      return std::string(RunStatusName(changed.info->status)) + " " + changed.info->run_name;
    }
    std::string operator()(const RunDeleted& change) {
      return change.deleted ? "deleted" : "restored";
    }
    std::string operator()(const RunResumed& resumed) {
      return "resumed at " + std::to_string(resumed.step);
    }
    std::string operator()(const LogText&) { return "log"; }
  };
  store_->SetEventSink(
      [&](const RunEvent& event) { heard.push_back(std::visit(Name(), event.body)); });
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.metrics = {{"m", 3, 0, 3}, {"n", 4, 0, 3}}, .observed = false}).ok());
  EXPECT_FALSE(LogPoint(id, "", 1, 0).ok());
  ASSERT_TRUE(Log(id, {.tags = {{"t", "1"}}}).ok());
  Await<Result<RunInfo>> updated;
  store_->UpdateRun(id, {.status = RunStatus::kFinished}, updated.callback());
  ASSERT_TRUE(updated.Get().ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->ResumeAt(id, 2, 1, done); }).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->SetRunDeleted(id, true, done); }).ok());
  EXPECT_FALSE(Wait([&](Done done) { store_->SetRunDeleted(RunId("no"), true, done); }).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->SetRunDeleted(id, false, done); }).ok());
  EXPECT_THAT(heard, ElementsAre("RUNNING r", "points m n", "FINISHED r", "resumed at 1", "deleted",
                                 "restored"));
  store_->SetEventSink({});
  ASSERT_TRUE(LogPoint(id, "m", 2, 1).ok());
  EXPECT_EQ(heard.size(), 6U);
}

TEST_P(RunStoreContract, Threads_ManyWritersLoseNothing) {
  const RunId id = CreateRun("r").info.run_id;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int step = 0; step < 50; ++step) {
        const std::string key = "m" + std::to_string(writer % 2);
        EXPECT_TRUE(LogPoint(id, key, writer, step, writer).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(History(id, "m0").size() + History(id, "m1").size(), 200u);
}

TEST_P(RunStoreContract, Reopened_EverythingAcknowledgedIsThere) {
  if (!GetParam().durable) GTEST_SKIP() << "this store ends with its process";
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(
      Log(id, {.metrics = {{.key = "m", .value = 1, .step = 2}}, .params = {{"p", "1"}}}).ok());
  ASSERT_TRUE(CreateExperiment("e").ok());
  Reopen();
  EXPECT_EQ(store_->GetRun(id)->metrics[0].step, 2);
  EXPECT_EQ(store_->GetExperimentByName("e")->experiment_id, "1");
  EXPECT_EQ(CreateExperiment("f").value(), "2");
  EXPECT_FALSE(Log(id, {.params = {{"p", "2"}}}).ok());
}

}  // namespace muster::tracker
