#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

#include <map>
#include <optional>

namespace muster::tracker {

using testing::ElementsAre;

TEST_P(RunStoreContract, LoggedModels_LifeOfOne) {
  const RunId run = CreateRun("r").info.run_id;
  const LoggedModel made = CreateModel({.experiment_id = "0",
                                        .name = "cnn",
                                        .model_type = "onnx",
                                        .source_run_id = run.value,
                                        .tags = {{"t", "1"}},
                                        .params = {{"lr", "0.1"}}});
  EXPECT_EQ(made.model_id.substr(0, 2), "m-");
  EXPECT_EQ(made.model_id.size(), 34u);
  EXPECT_EQ(made.status, "LOGGED_MODEL_PENDING");
  EXPECT_EQ(made.artifact_uri, "mlflow-artifacts:/0/models/" + made.model_id + "/artifacts");
  Await<Result<LoggedModel>> finished, refused;
  store_->FinishLoggedModel(made.model_id, "LOGGED_MODEL_READY", finished.callback());
  EXPECT_EQ(finished.Get()->status, "LOGGED_MODEL_READY");
  store_->FinishLoggedModel(made.model_id, "READY", refused.callback());
  EXPECT_FALSE(refused.Get().ok());
  const std::string& id = made.model_id;
  ASSERT_TRUE(Wait([&](Done done) { store_->SetLoggedModelTags(id, {{"u", "2"}}, done); }).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->DeleteLoggedModelTag(id, "t", done); }).ok());
  EXPECT_FALSE(Wait([&](Done done) { store_->DeleteLoggedModelTag(id, "t", done); }).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->LogLoggedModelParams(id, {{"k", "v"}}, done); }).ok());
  const LoggedModel model = store_->GetLoggedModel(id).value();
  EXPECT_THAT(model.tags, ElementsAre(Tag{"u", "2"}));
  EXPECT_EQ(model.params.size(), 2u);
  ASSERT_TRUE(Wait([&](Done done) { store_->DeleteLoggedModel(id, done); }).ok());
  EXPECT_EQ(store_->GetLoggedModel(id).error(),
            NotFound("Logged model with ID '" + id + "' not found."));
}

TEST_P(RunStoreContract, LoggedModels_KeepEachPointAndAreSearchedByTheLatest) {
  const RunId run = CreateRun("r").info.run_id;
  const LoggedModel good = CreateModel({.experiment_id = "0", .name = "good"});
  clock_.Advance(std::chrono::seconds(1));
  const LoggedModel bad = CreateModel({.experiment_id = "0", .name = "bad"});
  const auto log = [&](const LoggedModel& model, double value, std::int64_t step) {
    return Log(run, {.metrics = {{.key = "acc",
                                  .value = value,
                                  .timestamp_ms = 1,
                                  .step = step,
                                  .model_id = model.model_id,
                                  .dataset_name = "test"}}});
  };
  ASSERT_TRUE(log(good, 0.5, 1).ok());
  ASSERT_TRUE(log(good, 0.9, 2).ok());
  ASSERT_TRUE(log(good, 0.9, 2).ok());
  ASSERT_TRUE(log(bad, 0.1, 3).ok());
  const LoggedModel model = store_->GetLoggedModel(good.model_id).value();
  ASSERT_EQ(model.metrics.size(), 2u);
  EXPECT_EQ(model.metrics[0].first, run);
  EXPECT_EQ(model.metrics[0].second.value, 0.5);
  EXPECT_EQ(model.metrics[1].second.value, 0.9);
  EXPECT_EQ(model.metrics[0].second.dataset_name, "test");
  const auto names = [&](std::string filter, std::vector<std::string> order_by) {
    std::vector<std::string> found;
    const auto page = store_->SearchLoggedModels(
        {.experiment_ids = {"0"}, .filter = filter, .order_by = std::move(order_by)});
    if (!page) return std::vector{page.error().message};
    for (const LoggedModel& item : page->items) found.push_back(item.name);
    return found;
  };
  EXPECT_THAT(names("", {}), ElementsAre("bad", "good"));
  EXPECT_EQ(store_->SearchLoggedModels({.experiment_ids = {"abc"}}).error(),
            Invalid("Invalid experiment ID 'abc'. Experiment ID must be a valid integer."));
  EXPECT_THAT(names("metrics.acc > 0.5", {}), ElementsAre("good"));
  EXPECT_THAT(names("", {"metrics.acc DESC"}), ElementsAre("good", "bad"));
  EXPECT_THAT(names("name IN ('bad', 'x') AND status = 'PENDING'", {}), ElementsAre("bad"));
}

TEST_P(RunStoreContract, LoggedModels_DeletedOnesAreHiddenButStillWrittenTo) {
  const std::string id = CreateModel({.experiment_id = "0", .name = "m"}).model_id;
  ASSERT_TRUE(Wait([&](Done done) { store_->DeleteLoggedModel(id, done); }).ok());
  EXPECT_EQ(store_->GetLoggedModel(id).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(store_->SearchLoggedModels({.experiment_ids = {"0"}})->items.empty());
  ASSERT_TRUE(Wait([&](Done done) { store_->SetLoggedModelTags(id, {{"a", "1"}}, done); }).ok());
  const LoggedModel model = store_->GetAnyLoggedModel(id).value();
  EXPECT_TRUE(model.deleted);
  EXPECT_EQ(model.tags, (std::vector<Tag>{{"a", "1"}}));
}

TEST_P(RunStoreContract, LoggedModels_MetricsAreComparedOnTheDatasetsAskedFor) {
  const RunId run = CreateRun("r").info.run_id;
  const std::string id = CreateModel({.experiment_id = "0", .name = "m"}).model_id;
  CreateModel({.experiment_id = "0", .name = "other"});
  int step = 0;
  for (const auto& [dataset, value] : std::map<std::string, double>{{"a", 0.1}, {"it's", 0.9}}) {
    const Metric metric{.key = "acc",
                        .value = value,
                        .step = step++,
                        .model_id = id,
                        .dataset_name = dataset,
                        .dataset_digest = "d"};
    ASSERT_TRUE(Log(run, {.metrics = {metric}}).ok());
  }
  const auto count = [&](std::string filter, std::vector<DatasetName> datasets) {
    return store_
        ->SearchLoggedModels(
            {.experiment_ids = {"0"}, .filter = filter, .datasets = std::move(datasets)})
        ->items.size();
  };
  EXPECT_EQ(count("metrics.acc > 0.5", {}), 1U) << "the latest of all";
  EXPECT_EQ(count("metrics.acc > 0.5", {{"a", "d"}}), 0U);
  EXPECT_EQ(count("metrics.acc > 0.5", {{"it's", ""}}), 1U);
  EXPECT_EQ(count("", {{"a", ""}}), 1U) << "those with a metric on it";
  EXPECT_EQ(count("", {{"a", "other"}}), 0U);
}

TEST_P(RunStoreContract, LoggedModels_OrderedByAMetricOnADataset) {
  const RunId run = CreateRun("r").info.run_id;
  for (const auto& [name, on_a, on_b] :
       std::vector<std::tuple<std::string, double, double>>{{"x", 1, 4}, {"y", 2, 3}}) {
    const std::string id = CreateModel({.experiment_id = "0", .name = name}).model_id;
    Metric metric{
        .key = "acc", .value = on_a, .model_id = id, .dataset_name = "a", .dataset_digest = "d"};
    ASSERT_TRUE(Log(run, {.metrics = {metric}}).ok());
    metric = {.key = "acc",
              .value = on_b,
              .step = 1,
              .model_id = id,
              .dataset_name = "b",
              .dataset_digest = "e"};
    ASSERT_TRUE(Log(run, {.metrics = {metric}}).ok());
  }
  const auto first = [&](std::vector<DatasetName> on) {
    return store_
        ->SearchLoggedModels({.experiment_ids = {"0"},
                              .order_by = {"metrics.acc DESC"},
                              .order_datasets = std::move(on)})
        ->items.at(0)
        .name;
  };
  EXPECT_EQ(first({{"a", ""}}), "y");
  EXPECT_EQ(first({{"", "d"}}), "y");
  EXPECT_EQ(first({{"b", "e"}}), "x");
  EXPECT_EQ(first({{"", ""}}), "x") << "the latest of all";
  EXPECT_EQ(first({}), "x");
}

TEST_P(RunStoreContract, LoggedModels_ChangeTag_ReadsAndWritesInOneStep) {
  const std::string id = CreateModel({.experiment_id = "0", .name = "m"}).model_id;
  for (const char* wanted : {"", "x", "xx"}) {
    ASSERT_TRUE(Wait([&](Done done) {
                  store_->ChangeLoggedModelTag(
                      id, "list",
                      [&](const std::optional<std::string>& now) -> Result<std::string> {
                        EXPECT_EQ(now.value_or(""), wanted);
                        return now.value_or("") + "x";
                      },
                      done);
                }).ok());
  }
  EXPECT_EQ(store_->GetLoggedModel(id)->tags, (std::vector<Tag>{{"list", "xxx"}}));
}

}  // namespace muster::tracker
