#include <gmock/gmock.h>

#include "tests/contract/run_store_contract.h"

namespace muster::tracker {

using testing::ElementsAre;

namespace {

const std::string kModelId = "m-0123456789abcdef0123456789abcdef";

Result<std::string> Adopt(RunStore& store, Experiment experiment) {
  Await<Result<std::string>> id;
  store.AdoptExperiment(std::move(experiment), id.callback());
  return id.Get();
}
Result<bool> Adopt(RunStore& store, RunInfo info) {
  Await<Result<bool>> added;
  store.AdoptRun(std::move(info), added.callback());
  return added.Get();
}
Result<bool> Adopt(RunStore& store, LoggedModel model) {
  Await<Result<bool>> added;
  store.AdoptLoggedModel(std::move(model), added.callback());
  return added.Get();
}

}  // namespace

TEST_P(RunStoreContract, AdoptExperiment_KeepsIdTimesAndState) {
  const auto id = Adopt(*store_, Experiment{.experiment_id = "362693134414833326",
                                            .name = "old",
                                            .deleted = true,
                                            .creation_time_ms = 5,
                                            .last_update_time_ms = 7,
                                            .tags = {{"b", "2"}, {"a", "1"}}});
  ASSERT_TRUE(id.ok()) << id.error().message;
  EXPECT_EQ(*id, "362693134414833326");
  const auto experiment = store_->GetExperiment(*id);
  EXPECT_EQ(experiment->artifact_location, "mlflow-artifacts:/362693134414833326");
  EXPECT_TRUE(experiment->deleted);
  EXPECT_EQ(experiment->creation_time_ms, 5);
  EXPECT_EQ(experiment->last_update_time_ms, 7);
  EXPECT_THAT(experiment->tags, ElementsAre(Tag{"a", "1"}, Tag{"b", "2"}));
}

TEST_P(RunStoreContract, AdoptExperiment_ATakenIdGivesWay_AKnownNameStays) {
  ASSERT_EQ(*CreateExperiment("mine", {{"a", "mine"}}), "1");
  EXPECT_EQ(*Adopt(*store_, Experiment{.experiment_id = "1", .name = "theirs"}), "2");
  EXPECT_EQ(store_->GetExperiment("2")->artifact_location, "mlflow-artifacts:/2");
  EXPECT_EQ(*Adopt(*store_, Experiment{.experiment_id = "9",
                                       .name = "mine",
                                       .artifact_location = "s3://b",
                                       .tags = {{"a", "theirs"}, {"c", "3"}}}),
            "1");
  EXPECT_EQ(store_->GetExperiment("1")->artifact_location, "mlflow-artifacts:/1");
  EXPECT_THAT(store_->GetExperiment("1")->tags, ElementsAre(Tag{"a", "mine"}, Tag{"c", "3"}));
  EXPECT_FALSE(store_->GetExperiment("9").ok());
}

TEST_P(RunStoreContract, AdoptRun_KeepsEverythingOnce_AlsoInADeletedExperiment) {
  ASSERT_TRUE(Adopt(*store_, Experiment{.experiment_id = "4", .name = "e", .deleted = true}).ok());
  const RunInfo info{.run_id = RunId("0123456789abcdef0123456789abcdef"),
                     .experiment_id = "4",
                     .run_name = "n",
                     .user_id = "ann",
                     .status = RunStatus::kKilled,
                     .start_time_ms = 11,
                     .end_time_ms = 12,
                     .deleted = true};
  EXPECT_TRUE(*Adopt(*store_, info));
  RunInfo other = info;
  other.run_name = "other";
  EXPECT_FALSE(*Adopt(*store_, other));
  const auto run = store_->GetRun(info.run_id);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->info.run_name, "n");
  EXPECT_EQ(run->info.user_id, "ann");
  EXPECT_EQ(run->info.status, RunStatus::kKilled);
  EXPECT_EQ(run->info.start_time_ms, 11);
  EXPECT_EQ(run->info.end_time_ms, 12);
  EXPECT_FALSE(run->info.deleted);
  EXPECT_EQ(run->info.artifact_uri, "mlflow-artifacts:/4/" + info.run_id.value + "/artifacts");
  EXPECT_TRUE(LogPoint(info.run_id, "loss", 1, 0).ok());
  other.run_id = RunId("other");
  other.experiment_id = "77";
  EXPECT_EQ(Adopt(*store_, other).error().kind, ErrorKind::kNotFound);
}

TEST_P(RunStoreContract, AdoptLoggedModel_KeepsIdStatusAndTimesOnce) {
  const LoggedModel model{.model_id = kModelId,
                          .experiment_id = "0",
                          .name = "m",
                          .artifact_uri = "s3://b/m",
                          .model_type = "Agent",
                          .source_run_id = "r",
                          .status = "LOGGED_MODEL_READY",
                          .creation_ms = 3,
                          .last_updated_ms = 4,
                          .tags = {{"b", "2"}, {"a", "1"}},
                          .params = {{"p", "1"}}};
  EXPECT_TRUE(*Adopt(*store_, model));
  EXPECT_FALSE(*Adopt(*store_, model));
  const auto read = store_->GetLoggedModel(kModelId);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->status, "LOGGED_MODEL_READY");
  EXPECT_EQ(read->artifact_uri, "s3://b/m");
  EXPECT_EQ(read->creation_ms, 3);
  EXPECT_EQ(read->last_updated_ms, 4);
  EXPECT_THAT(read->tags, ElementsAre(Tag{"a", "1"}, Tag{"b", "2"}));
  EXPECT_THAT(read->params, ElementsAre(Param{"p", "1"}));
}

}  // namespace muster::tracker
