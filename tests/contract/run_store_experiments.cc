#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

namespace muster::tracker {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

}  // namespace muster::tracker
