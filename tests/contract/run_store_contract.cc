#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>

namespace muster::tracker {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

namespace {

Status Wait(const std::function<void(Done)>& call) {
  Await<Status> await;
  call(await.callback());
  return await.Get();
}

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_P(RunStoreContract, Experiments_DefaultIsThere) {
  const auto experiment = store_->GetExperiment("0");
  ASSERT_TRUE(experiment.ok());
  EXPECT_EQ(experiment->name, "Default");
  EXPECT_EQ(experiment->artifact_location, "mlflow-artifacts:/0");
}

TEST_P(RunStoreContract, Experiments_CreateGetByNameAndTags) {
  clock_.Advance(std::chrono::seconds(5));
  const auto id = CreateExperiment("digits", {{"b", "2"}, {"a", "1"}});
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(*id, "1");
  const auto experiment = store_->GetExperimentByName("digits");
  ASSERT_TRUE(experiment.ok());
  EXPECT_EQ(experiment->experiment_id, "1");
  EXPECT_EQ(experiment->artifact_location, "mlflow-artifacts:/1");
  EXPECT_EQ(experiment->creation_time_ms, clock_.UnixNow());
  EXPECT_THAT(experiment->tags, ElementsAre(Tag{"a", "1"}, Tag{"b", "2"}));
}

TEST_P(RunStoreContract, Experiments_NamesAreUniqueAlsoAmongDeletedOnes) {
  ASSERT_TRUE(CreateExperiment("e").ok());
  EXPECT_EQ(CreateExperiment("e").error(), AlreadyExists("Experiment(name=e) already exists."));
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted("1", true, done); }).ok());
  EXPECT_EQ(CreateExperiment("e").error().kind, ErrorKind::kAlreadyExists);
  ASSERT_TRUE(CreateExperiment("f").ok());
  const Status renamed = Wait([&](Done done) { store_->RenameExperiment("2", "e", done); });
  EXPECT_EQ(renamed.error().kind, ErrorKind::kAlreadyExists);
}

TEST_P(RunStoreContract, Experiments_BadNamesAndIdsAreRefused) {
  EXPECT_EQ(CreateExperiment(" ").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(CreateExperiment(std::string(501, 'x')).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(store_->GetExperiment("abc").error(),
            Invalid("Invalid experiment ID 'abc'. Experiment ID must be a valid integer."));
  EXPECT_EQ(store_->GetExperiment("77").error(), NotFound("No Experiment with id=77 exists"));
  EXPECT_EQ(store_->GetExperimentByName("none").error(),
            NotFound("Could not find experiment with name 'none'"));
}

TEST_P(RunStoreContract, Experiments_DeletingCascadesToRunsAndRestoreBringsThemBack) {
  ASSERT_TRUE(CreateExperiment("e").ok());
  const tracker::Run run = CreateRun("r", 0, "1");
  const auto set_deleted = [&](bool deleted) {
    return Wait([&](Done done) { store_->SetExperimentDeleted("1", deleted, done); });
  };
  ASSERT_TRUE(set_deleted(true).ok());
  EXPECT_TRUE(store_->GetRun(run.info.run_id)->info.deleted);
  EXPECT_TRUE(store_->GetExperiment("1")->deleted);
  EXPECT_EQ(set_deleted(true).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(Wait([&](Done done) { store_->RenameExperiment("1", "x", done); }).error().kind,
            ErrorKind::kConflict);
  EXPECT_EQ(Wait([&](Done done) { store_->SetExperimentTag("1", "k", "v", done); }).error().kind,
            ErrorKind::kInvalid);
  Await<Result<tracker::Run>> refused;
  store_->CreateRun({.experiment_id = "1"}, refused.callback());
  EXPECT_THAT(refused.Get().error().message, HasSubstr("must be in the 'active' state"));
  ASSERT_TRUE(set_deleted(false).ok());
  EXPECT_FALSE(store_->GetRun(run.info.run_id)->info.deleted);
  EXPECT_EQ(set_deleted(false).error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, Experiments_TagsSetAndDeleted) {
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentTag("0", "k", "v", done); }).ok());
  EXPECT_THAT(store_->GetExperiment("0")->tags, ElementsAre(Tag{"k", "v"}));
  const auto erase = [&] {
    return Wait([&](Done done) { store_->SetExperimentTag("0", "k", std::nullopt, done); });
  };
  EXPECT_TRUE(erase().ok());
  EXPECT_EQ(erase().error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, Experiments_SearchFiltersOrdersAndPages) {
  for (const char* name : {"alpha", "beta", "gamma"}) {
    clock_.Advance(std::chrono::seconds(1));
    ASSERT_TRUE(CreateExperiment(name, {{"team", name}}).ok());
  }
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted("2", true, done); }).ok());
  const auto names = [&](SearchQuery query) {
    std::vector<std::string> found;
    const auto page = store_->SearchExperiments(query);
    if (!page) return std::vector{page.error().message};
    for (const Experiment& experiment : page->items) found.push_back(experiment.name);
    return found;
  };
  EXPECT_THAT(names({}), ElementsAre("gamma", "alpha", "Default"));
  EXPECT_THAT(names({.view = ViewType::kDeletedOnly}), ElementsAre("beta"));
  EXPECT_THAT(names({.filter = "name LIKE '%a' AND tags.team != 'gamma'"}), ElementsAre("alpha"));
  EXPECT_THAT(names({.filter = "name ILIKE 'ALP%'"}), ElementsAre("alpha"));
  EXPECT_THAT(names({.filter = "name LIKE 'ALP%'"}), IsEmpty());
  EXPECT_THAT(names({.filter = "experiment_id IN ('0', '3')"}), ElementsAre("gamma", "Default"));
  EXPECT_THAT(names({.order_by = {"name ASC"}}), ElementsAre("Default", "alpha", "gamma"));
  const auto first = store_->SearchExperiments({.view = ViewType::kAll, .max_results = 3});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->items.size(), 3u);
  const auto second = store_->SearchExperiments(
      {.view = ViewType::kAll, .max_results = 3, .page_token = first->next_page_token});
  EXPECT_EQ(second->items.size(), 1u);
  EXPECT_EQ(second->next_page_token, "");
  EXPECT_FALSE(store_->SearchExperiments({.page_token = "bad"}).ok());
  EXPECT_FALSE(store_->SearchExperiments({.max_results = 0}).ok());
}

TEST_P(RunStoreContract, Runs_CreateFillsWhatIsMissing) {
  const tracker::Run run = CreateRun("", 17);
  EXPECT_EQ(run.info.run_id.value.size(), 32u);
  EXPECT_EQ(run.info.status, RunStatus::kRunning);
  EXPECT_EQ(run.info.start_time_ms, 17);
  EXPECT_EQ(run.info.user_id, "ada");
  EXPECT_FALSE(run.info.run_name.empty());
  EXPECT_THAT(run.tags, ElementsAre(Tag{"mlflow.runName", run.info.run_name}));
  EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/0/" + run.info.run_id.value + "/artifacts");
  EXPECT_EQ(store_->GetRun(run.info.run_id)->info.run_name, run.info.run_name);
  EXPECT_EQ(store_->GetRun(RunId("nope")).error(), NotFound("Run with id=nope not found"));
}

TEST_P(RunStoreContract, Runs_CreateWithAnIdIsIdempotent) {
  const NewRun wanted{.run_id = RunId("abc"), .run_name = "first"};
  Await<Result<tracker::Run>> first, second;
  store_->CreateRun(wanted, first.callback());
  ASSERT_TRUE(first.Get().ok());
  NewRun again = wanted;
  again.run_name = "second";
  store_->CreateRun(again, second.callback());
  EXPECT_EQ(second.Get()->info.run_name, "first");
}

TEST_P(RunStoreContract, Runs_NameAndTagMustAgree) {
  Await<Result<tracker::Run>> refused, tagged;
  store_->CreateRun({.run_name = "a", .tags = {{"mlflow.runName", "b"}}}, refused.callback());
  EXPECT_THAT(refused.Get().error().message, HasSubstr("different values"));
  store_->CreateRun({.tags = {{"mlflow.runName", "b"}}}, tagged.callback());
  EXPECT_EQ(tagged.Get()->info.run_name, "b");
}

TEST_P(RunStoreContract, Runs_NameIsTheLastOfItsTagsAndCutAsOne) {
  Await<Result<tracker::Run>> twice, cut;
  store_->CreateRun({.tags = {{"mlflow.runName", "a"}, {"t", "1"}, {"mlflow.runName", "b"}}},
                    twice.callback());
  const tracker::Run run = twice.Get().value();
  EXPECT_EQ(run.info.run_name, "b");
  EXPECT_THAT(run.tags, ElementsAre(Tag{"mlflow.runName", "b"}, Tag{"t", "1"}));
  store_->CreateRun({.run_name = std::string(9'000, 'n')}, cut.callback());
  const tracker::Run long_one = cut.Get().value();
  EXPECT_EQ(long_one.info.run_name, std::string(8'000, 'n'));
  EXPECT_THAT(long_one.tags, ElementsAre(Tag{"mlflow.runName", long_one.info.run_name}));
}

TEST_P(RunStoreContract, Runs_TagsOfANewOneAreBounded) {
  NewRun run;
  for (int i = 0; i <= 1'000; ++i) run.tags.push_back({"t" + std::to_string(i), ""});
  Await<Result<tracker::Run>> refused;
  store_->CreateRun(std::move(run), refused.callback());
  EXPECT_EQ(refused.Get().error(),
            Invalid("A run can be created with at most 1000 tags. Got 1001 tags."));
}

TEST_P(RunStoreContract, Runs_UpdateChangesOnlyWhatIsGiven) {
  const RunId id = CreateRun("r").info.run_id;
  Await<Result<RunInfo>> named, ended;
  store_->UpdateRun(id, {.run_name = "renamed"}, named.callback());
  EXPECT_EQ(named.Get()->status, RunStatus::kRunning);
  store_->UpdateRun(id, {.status = RunStatus::kFinished, .end_time_ms = 99}, ended.callback());
  const auto info = ended.Get();
  EXPECT_EQ(info->status, RunStatus::kFinished);
  EXPECT_EQ(info->end_time_ms, 99);
  EXPECT_EQ(info->run_name, "renamed");
  EXPECT_THAT(store_->GetRun(id)->tags, ElementsAre(Tag{"mlflow.runName", "renamed"}));
}

TEST_P(RunStoreContract, Runs_DeletedOnesRefuseWritesButCanBeRead) {
  const RunId id = CreateRun("r").info.run_id;
  const auto set_deleted = [&](bool deleted) {
    return Wait([&](Done done) { store_->SetRunDeleted(id, deleted, done); });
  };
  ASSERT_TRUE(set_deleted(true).ok());
  ASSERT_TRUE(set_deleted(true).ok());
  EXPECT_EQ(
      LogPoint(id, "m", 1, 0).error(),
      Invalid("The run " + id.value + " must be in the 'active' state. Current state is deleted."));
  EXPECT_TRUE(store_->GetRun(id)->info.deleted);
  ASSERT_TRUE(set_deleted(false).ok());
  EXPECT_TRUE(LogPoint(id, "m", 1, 0).ok());
}

TEST_P(RunStoreContract, Metrics_LatestIsByStepThenTimestampThenValue) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 1, 5, 100).ok());
  ASSERT_TRUE(LogPoint(id, "m", 9, 4, 200).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[0].value, 1);
  ASSERT_TRUE(LogPoint(id, "m", 0.5, 5, 101).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[0].value, 0.5);
  ASSERT_TRUE(LogPoint(id, "m", 0.75, 5, 101).ok());
  ASSERT_TRUE(LogPoint(id, "m", 0.25, 5, 101).ok());
  const Metric latest = store_->GetRun(id)->metrics[0];
  EXPECT_EQ(latest.value, 0.75);
  EXPECT_EQ(latest.step, 5);
  EXPECT_EQ(latest.timestamp_ms, 101);
}

TEST_P(RunStoreContract, Metrics_TheSamePointAgainChangesNothing) {
  const RunId id = CreateRun("r").info.run_id;
  const Batch batch{.metrics = {{.key = "m", .value = 1, .timestamp_ms = 7, .step = 3},
                                {.key = "m", .value = kNan, .timestamp_ms = 7, .step = 3},
                                {.key = "m", .value = 1, .timestamp_ms = 7, .step = 3}}};
  ASSERT_TRUE(Log(id, batch).ok());
  ASSERT_TRUE(Log(id, batch).ok());
  EXPECT_EQ(History(id, "m").size(), 2u);
}

TEST_P(RunStoreContract, Metrics_NanInfinityAndNegativeStepsAreKept) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "nan", kNan, -3).ok());
  ASSERT_TRUE(LogPoint(id, "inf", kInfinity, 0).ok());
  ASSERT_TRUE(LogPoint(id, "minus", -kInfinity, 0).ok());
  const tracker::Run run = store_->GetRun(id).value();
  ASSERT_EQ(run.metrics.size(), 3u);
  EXPECT_EQ(run.metrics[0].value, kInfinity);
  EXPECT_EQ(run.metrics[1].value, -kInfinity);
  EXPECT_TRUE(std::isnan(run.metrics[2].value));
  EXPECT_EQ(run.metrics[2].step, -3);
  EXPECT_TRUE(std::isnan(History(id, "nan")[0]));
}

TEST_P(RunStoreContract, Metrics_HistoryIsByTimestampStepValueAndPaged) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 3, 1, 20).ok());
  ASSERT_TRUE(LogPoint(id, "m", 2, 9, 10).ok());
  ASSERT_TRUE(LogPoint(id, "m", 1, 1, 20).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(2, 1, 3));
  const auto first = store_->MetricHistory(id, "m", 2, "");
  EXPECT_EQ(first->items.size(), 2u);
  const auto second = store_->MetricHistory(id, "m", 2, first->next_page_token);
  EXPECT_EQ(second->items.size(), 1u);
  EXPECT_EQ(second->next_page_token, "");
  EXPECT_THAT(History(id, "none"), IsEmpty());
  EXPECT_THAT(History(RunId("none"), "m"), IsEmpty());
  EXPECT_FALSE(store_->MetricHistory(id, "m", 0, "").ok());
  EXPECT_FALSE(store_->MetricHistory(id, "m", 1, "x").ok());
}

TEST_P(RunStoreContract, Metrics_BadOnesAreRefusedWhole) {
  const RunId id = CreateRun("r").info.run_id;
  Batch batch{.metrics = {{.key = "good", .value = 1}, {.key = "bad,name", .value = 1}}};
  EXPECT_EQ(Log(id, batch).error(),
            Invalid("Invalid value \"bad,name\" for parameter 'metrics[1].name' supplied: Names "
                    "may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
                    "spaces ( ), colon(:) and slashes (/)."));
  EXPECT_THAT(store_->GetRun(id)->metrics, IsEmpty());
  EXPECT_FALSE(LogPoint(id, "", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "../m", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "a//b", 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, std::string(251, 'm'), 1, 0).ok());
  EXPECT_FALSE(LogPoint(id, "m", 1, 0, -1).ok());
  EXPECT_TRUE(LogPoint(id, "val/acc: top-5 \xd1\x82", 1, 0).ok());
}

TEST_P(RunStoreContract, Params_AreImmutable) {
  const RunId id = CreateRun("r").info.run_id;
  const auto log = [&](std::string value, bool single) {
    return Log(id, {.params = {{"p", std::move(value)}}, .single = single});
  };
  ASSERT_TRUE(log("1", true).ok());
  ASSERT_TRUE(log("1", true).ok());
  EXPECT_EQ(log("2", true).error(),
            Invalid("Changing param values is not allowed. Param with key='p' was already logged "
                    "with value='1' for run ID='" +
                    id.value + "'. Attempted logging new value '2'."));
  EXPECT_EQ(log("2", false).error(),
            Invalid("Changing param values is not allowed. Params were already logged='[{'key': "
                    "'p', 'old_value': '1', 'new_value': '2'}]' for run ID='" +
                    id.value + "'."));
  EXPECT_THAT(store_->GetRun(id)->params, ElementsAre(Param{"p", "1"}));
}

TEST_P(RunStoreContract, Params_AConflictUndoesTheWholeBatch) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.params = {{"p", "1"}}}).ok());
  EXPECT_FALSE(Log(id, {.metrics = {{.key = "m", .value = 1}},
                        .params = {{"q", "1"}, {"p", "2"}},
                        .tags = {{"t", "1"}}})
                   .ok());
  const tracker::Run run = store_->GetRun(id).value();
  EXPECT_EQ(run.params.size(), 1u);
  EXPECT_EQ(run.tags.size(), 1u);
  EXPECT_THAT(run.metrics, IsEmpty());
}

TEST_P(RunStoreContract, Params_LongOnesAreCutAndDuplicatesRefused) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.params = {{"p", std::string(7'000, 'x')}}}).ok());
  EXPECT_EQ(store_->GetRun(id)->params[0].value.size(), 6'000u);
  EXPECT_THAT(Log(id, {.params = {{"q", "1"}, {"q", "1"}}}).error().message,
              HasSubstr("Duplicate parameter keys have been submitted: ['q']"));
}

TEST_P(RunStoreContract, Tags_LastWinsAndRunNameRenames) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(Log(id, {.tags = {{"t", "1"}, {"t", "2"}, {"mlflow.runName", "n"}}}).ok());
  const tracker::Run run = store_->GetRun(id).value();
  EXPECT_EQ(run.info.run_name, "n");
  EXPECT_THAT(run.tags, ElementsAre(Tag{"mlflow.runName", "n"}, Tag{"t", "2"}));
  const auto erase = [&] { return Wait([&](Done done) { store_->DeleteTag(id, "t", done); }); };
  EXPECT_TRUE(erase().ok());
  EXPECT_EQ(erase().error(), NotFound("No tag with name: t in run with id " + id.value));
}

TEST_P(RunStoreContract, Attempts_ResumeHidesLaterPointsOfEarlierAttempts) {
  const RunId id = CreateRun("r").info.run_id;
  for (std::int64_t step = 0; step < 5; ++step) {
    ASSERT_TRUE(LogPoint(id, "m", static_cast<double>(step), step, 10 + step, 3).ok());
  }
  ASSERT_TRUE(LogPoint(id, "late", 1, 4, 14, 3).ok());
  ASSERT_TRUE(LogPoint(id, "free", 1, 9, 1, 0).ok());
  ASSERT_TRUE(Resume(id, 7, 2).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(0, 1, 2));
  EXPECT_THAT(History(id, "late"), IsEmpty());
  EXPECT_THAT(History(id, "free"), ElementsAre(1));
  tracker::Run run = store_->GetRun(id).value();
  ASSERT_EQ(run.metrics.size(), 2u);
  EXPECT_EQ(run.metrics[0].key, "free");
  EXPECT_EQ(run.metrics[1].value, 2);
  // The stale attempt goes on for a while: kept, hidden.
  ASSERT_TRUE(LogPoint(id, "m", 99, 6, 16, 3).ok());
  EXPECT_EQ(store_->GetRun(id)->metrics[1].value, 2);
  // The new attempt repeats a point, and goes its own way.
  ASSERT_TRUE(LogPoint(id, "m", 3, 3, 13, 7).ok());
  ASSERT_TRUE(LogPoint(id, "m", 40, 4, 24, 7).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(0, 1, 2, 3, 40));
  EXPECT_EQ(store_->GetRun(id)->metrics[1].attempt, 7);
  EXPECT_EQ(Resume(RunId("none"), 1, 1).error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, Attempts_AHiddenPointLoggedAgainByNobodyStaysHidden) {
  const RunId id = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(id, "m", 1, 1, 10, 3).ok());
  ASSERT_TRUE(LogPoint(id, "m", 5, 5, 50, 3).ok());
  ASSERT_TRUE(Resume(id, 7, 2).ok());
  ASSERT_TRUE(LogPoint(id, "m", 5, 5, 50, 0).ok());
  EXPECT_THAT(History(id, "m"), ElementsAre(1));
  EXPECT_EQ(store_->GetRun(id)->metrics.at(0).value, 1);
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

TEST_P(RunStoreContract, Inputs_DatasetsAreSharedAndLinkedOnce) {
  const RunId first = CreateRun("a").info.run_id;
  const RunId second = CreateRun("b").info.run_id;
  const DatasetInput train{{.name = "digits", .digest = "d1", .source = "http://x"},
                           {{"mlflow.data.context", "train"}}};
  DatasetInput again = train;
  again.dataset.source = "elsewhere";
  again.tags = {{"mlflow.data.context", "eval"}};
  for (const DatasetInput& input : {train, again}) {
    ASSERT_TRUE(Wait([&](Done done) { store_->LogInputs(first, {input}, {"m-1"}, done); }).ok());
  }
  ASSERT_TRUE(Wait([&](Done done) { store_->LogInputs(second, {again}, {}, done); }).ok());
  const tracker::Run a = store_->GetRun(first).value();
  ASSERT_EQ(a.dataset_inputs.size(), 1u);
  EXPECT_THAT(a.dataset_inputs[0].tags, ElementsAre(Tag{"mlflow.data.context", "train"}));
  EXPECT_THAT(a.model_inputs, ElementsAre("m-1"));
  EXPECT_EQ(store_->GetRun(second)->dataset_inputs[0].dataset.source, "http://x");
  EXPECT_THAT(Search("datasets.context = 'train'"), ElementsAre("a"));
  EXPECT_EQ(Search("datasets.name = 'digits' AND datasets.digest IN ('d1', 'd2')").size(), 2u);
}

TEST_P(RunStoreContract, Outputs_AreIdempotent) {
  const RunId id = CreateRun("r").info.run_id;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Wait([&](Done done) { store_->LogOutputs(id, {{"m-1", 5}}, done); }).ok());
  }
  EXPECT_THAT(store_->GetRun(id)->model_outputs, ElementsAre(testing::Pair("m-1", 5)));
}

TEST_P(RunStoreContract, Search_FiltersLikeMlflow) {
  const RunId a = CreateRun("apple", 10).info.run_id;
  const RunId b = CreateRun("Banana", 20).info.run_id;
  const RunId c = CreateRun("cherry", 30).info.run_id;
  ASSERT_TRUE(Log(a, {.metrics = {{.key = "m", .value = 1}}, .params = {{"p", "x"}}}).ok());
  ASSERT_TRUE(Log(b, {.metrics = {{.key = "m", .value = kNan}}, .tags = {{"x y", "1"}}}).ok());
  ASSERT_TRUE(Log(c, {.metrics = {{.key = "m", .value = 2}, {.key = "inf", .value = kInfinity}},
                      .params = {{"p", "Y"}}})
                  .ok());
  EXPECT_THAT(Search(""), ElementsAre("cherry", "Banana", "apple"));
  EXPECT_THAT(Search("metrics.m >= 1"), ElementsAre("cherry", "apple"));
  EXPECT_THAT(Search("metrics.m != 1"), ElementsAre("cherry", "Banana"));
  EXPECT_THAT(Search("metrics.m = 0"), IsEmpty());
  EXPECT_THAT(Search("metrics.inf > 1e300"), ElementsAre("cherry"));
  EXPECT_THAT(Search("params.p != 'x'"), ElementsAre("cherry"));
  EXPECT_THAT(Search("params.p IS NULL"), ElementsAre("Banana"));
  EXPECT_THAT(Search("params.p IS NOT NULL AND params.p ILIKE 'y'"), ElementsAre("cherry"));
  EXPECT_THAT(Search("tags.`x y` = '1'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("run_name LIKE '%an%'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("attributes.`Run Name` ILIKE 'b%'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("run_id IN ('" + a.value + "', \"" + c.value + "\")"),
              ElementsAre("cherry", "apple"));
  EXPECT_THAT(Search("run_id NOT IN ('" + a.value + "')"), ElementsAre("cherry", "Banana"));
  EXPECT_THAT(Search("start_time > 10 AND start_time <= 20"), ElementsAre("Banana"));
  EXPECT_THAT(Search("status = 'RUNNING'").size(), 3u);
  EXPECT_THAT(Search("status = 'running'"), IsEmpty());
  EXPECT_THAT(Search("end_time > 0"), IsEmpty());
  EXPECT_THAT(Search("user_id = 'ada'").size(), 3u);
  EXPECT_THAT(Search("foo.bar = 1"), ElementsAre(HasSubstr("Invalid entity type 'foo'")));
}

TEST_P(RunStoreContract, Search_OrdersWithMissingKeysAndNanLast) {
  const RunId a = CreateRun("a", 10).info.run_id;
  const RunId b = CreateRun("b", 20).info.run_id;
  const RunId c = CreateRun("c", 30).info.run_id;
  CreateRun("d", 40);
  ASSERT_TRUE(Log(a, {.metrics = {{.key = "m", .value = 1}}, .params = {{"p", "10"}}}).ok());
  ASSERT_TRUE(Log(b, {.metrics = {{.key = "m", .value = kNan}}, .params = {{"p", "9"}}}).ok());
  ASSERT_TRUE(Log(c, {.metrics = {{.key = "m", .value = -2}}}).ok());
  EXPECT_THAT(Search("", {"metrics.m ASC"}), ElementsAre("c", "a", "b", "d"));
  EXPECT_THAT(Search("", {"metrics.m DESC"}), ElementsAre("a", "c", "b", "d"));
  EXPECT_THAT(Search("", {"params.p"}), ElementsAre("a", "b", "d", "c"));
  EXPECT_THAT(Search("", {"params.p DESC", "run_name ASC"}), ElementsAre("b", "a", "c", "d"));
  EXPECT_THAT(Search("", {"attributes.start_time ASC"}), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Search("", {"end_time", "tags.`mlflow.runName` DESC"}),
              ElementsAre("d", "c", "b", "a"));
}

TEST_P(RunStoreContract, Search_PagesViewsAndExperiments) {
  ASSERT_TRUE(CreateExperiment("e").ok());
  CreateRun("other", 0, "1");
  for (int i = 0; i < 5; ++i) CreateRun("r" + std::to_string(i), i);
  const RunId gone = CreateRun("gone", 9).info.run_id;
  ASSERT_TRUE(Wait([&](Done done) { store_->SetRunDeleted(gone, true, done); }).ok());
  SearchQuery query{.experiment_ids = {"0"}, .max_results = 2};
  std::vector<std::string> names;
  do {
    const auto page = store_->SearchRuns(query);
    ASSERT_TRUE(page.ok());
    for (const tracker::Run& run : page->items) names.push_back(run.info.run_name);
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty());
  EXPECT_THAT(names, ElementsAre("r4", "r3", "r2", "r1", "r0"));
  const auto count = [&](ViewType view, std::vector<std::string> experiments) {
    return store_->SearchRuns({.experiment_ids = std::move(experiments), .view = view})
        ->items.size();
  };
  EXPECT_EQ(count(ViewType::kDeletedOnly, {"0"}), 1u);
  EXPECT_EQ(count(ViewType::kAll, {"0", "1"}), 7u);
  EXPECT_EQ(count(ViewType::kAll, {}), 0u);
  EXPECT_FALSE(store_->SearchRuns({.experiment_ids = {"x"}}).ok());
}

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

TEST_P(RunStoreContract, LoggedModels_KeepTheirLatestMetricsAndAreSearched) {
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
  ASSERT_TRUE(log(bad, 0.1, 3).ok());
  const LoggedModel model = store_->GetLoggedModel(good.model_id).value();
  ASSERT_EQ(model.metrics.size(), 1u);
  EXPECT_EQ(model.metrics[0].first, run);
  EXPECT_EQ(model.metrics[0].second.value, 0.9);
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
