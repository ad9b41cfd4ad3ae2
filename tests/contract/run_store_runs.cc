#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

namespace muster::tracker {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

TEST_P(RunStoreContract, Tags_ChangeTag_ReadsAndWritesInOneStep) {
  const RunId id = CreateRun("r").info.run_id;
  const auto change = [&](std::string key, TagChange how) {
    return Wait([&](Done done) { store_->ChangeTag(id, key, std::move(how), done); });
  };
  const TagChange grow = [](const std::optional<std::string>& now) -> Result<std::string> {
    return now.value_or("new") + "+";
  };
  ASSERT_TRUE(change("t", grow).ok());
  ASSERT_TRUE(change("t", grow).ok());
  EXPECT_EQ(change("t", [](const auto&) { return Invalid("no"); }).error(), Invalid("no"));
  ASSERT_TRUE(change("mlflow.runName", grow).ok());
  const tracker::Run run = store_->GetRun(id).value();
  EXPECT_EQ(run.tags, (std::vector<Tag>{{"mlflow.runName", "r+"}, {"t", "new++"}}));
  EXPECT_EQ(run.info.run_name, "r+");
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

TEST_P(RunStoreContract, Datasets_OfAnExperimentAreListedOnceAContext) {
  ASSERT_TRUE(CreateExperiment("other").ok());
  const DatasetInput train{{.name = "digits", .digest = "d1"}, {{"mlflow.data.context", "train"}}};
  const DatasetInput plain{{.name = "digits", .digest = "d2"}, {{"mine", "x"}}};
  for (const char* name : {"a", "b"}) {
    const RunId run = CreateRun(name).info.run_id;
    ASSERT_TRUE(Wait([&](Done done) { store_->LogInputs(run, {train, plain}, {}, done); }).ok());
  }
  const RunId elsewhere = CreateRun("c", 0, "1").info.run_id;
  ASSERT_TRUE(Wait([&](Done done) { store_->LogInputs(elsewhere, {train}, {}, done); }).ok());
  const DatasetSummary first{"0", "digits", "d1", "train"}, second{"0", "digits", "d2", {}},
      third{"1", "digits", "d1", "train"};
  EXPECT_THAT(*store_->SearchDatasets({"0"}), testing::ElementsAre(first, second));
  EXPECT_THAT(*store_->SearchDatasets({"1", "0"}), testing::ElementsAre(first, second, third));
  EXPECT_THAT(*store_->SearchDatasets({"7"}), testing::IsEmpty());
  EXPECT_FALSE(store_->SearchDatasets({"x"}).ok());
}

TEST_P(RunStoreContract, Outputs_AreIdempotent) {
  const RunId id = CreateRun("r").info.run_id;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Wait([&](Done done) { store_->LogOutputs(id, {{"m-1", 5}}, done); }).ok());
  }
  EXPECT_THAT(store_->GetRun(id)->model_outputs, ElementsAre(testing::Pair("m-1", 5)));
}

}  // namespace muster::tracker
