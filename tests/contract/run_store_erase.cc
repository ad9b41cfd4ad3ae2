#include <gmock/gmock.h>

#include <algorithm>

#include "tests/contract/run_store_contract.h"

namespace muster::tracker {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

Status RunStoreContract::SetRunDeleted(const RunId& run, bool deleted) {
  return Wait([&](Done done) { store_->SetRunDeleted(run, deleted, done); });
}

namespace {

std::vector<Erasable> AllPages(RunStore& store, ErasableKind kind, const ErasureScope& scope) {
  std::vector<Erasable> all;
  std::string token;
  do {
    auto page = store.FindErasable(kind, scope, 2, token, true).value();
    EXPECT_LE(page.items.size(), 2U);
    all.insert(all.end(), page.items.begin(), page.items.end());
    token = page.next_page_token;
  } while (!token.empty());
  return all;
}

std::vector<std::string> Ids(const std::vector<Erasable>& things) {
  std::vector<std::string> ids;
  ids.reserve(things.size());
  for (const Erasable& thing : things) ids.push_back(thing.id);
  std::ranges::sort(ids);
  return ids;
}

std::vector<Erasable> EraseThese(RunStore& store, const std::vector<Erasable>& things,
                                 UnixMillis before) {
  Await<Result<std::vector<Erasable>>> erased;
  store.Erase(things, before, erased.callback());
  return erased.Get().value();
}

constexpr auto kRun = ErasableKind::kRun;
constexpr auto kModel = ErasableKind::kLoggedModel;
constexpr auto kExperiment = ErasableKind::kExperiment;

}  // namespace

std::vector<std::string> RunStoreContract::Erasables(ErasableKind kind, const ErasureScope& scope) {
  return Ids(AllPages(*store_, kind, scope));
}

std::vector<std::string> RunStoreContract::Erase(ErasableKind kind, const ErasureScope& scope) {
  const auto erased =
      Ids(EraseThese(*store_, AllPages(*store_, kind, scope), scope.deleted_before));
  EraseRows();
  return erased;
}

std::int64_t RunStoreContract::EraseRows() {
  std::int64_t points = 0;
  for (bool more = true; more;) {
    Await<Result<ErasedRows>> step;
    store_->EraseRows(step.callback());
    const ErasedRows rows = step.Get().value();
    points += rows.points;
    more = rows.more;
  }
  return points;
}

TEST_P(RunStoreContract, Erase_OnlyWhatWasDeletedLongEnoughAgoMayGo) {
  const RunId a = CreateRun("a").info.run_id, b = CreateRun("b").info.run_id;
  const UnixMillis begin = clock_.UnixNow();
  ASSERT_TRUE(SetRunDeleted(a, true).ok());
  clock_.Advance(seconds(10));
  ASSERT_TRUE(SetRunDeleted(b, true).ok());
  ASSERT_TRUE(SetRunDeleted(a, true).ok()) << "again: it keeps the time";
  EXPECT_THAT(Erasables(kRun, {.deleted_before = begin - 1}), IsEmpty());
  EXPECT_THAT(Erasables(kRun, {.deleted_before = begin}), ElementsAre(a.value));
  EXPECT_EQ(Erasables(kRun, {.deleted_before = clock_.UnixNow()}).size(), 2U);
  ASSERT_TRUE(SetRunDeleted(a, false).ok());
  EXPECT_THAT(Erasables(kRun, {.deleted_before = clock_.UnixNow()}), ElementsAre(b.value));
  ASSERT_TRUE(SetRunDeleted(a, true).ok()) << "anew";
  EXPECT_THAT(Erasables(kRun, {.deleted_before = begin}), IsEmpty());
}

TEST_P(RunStoreContract, Erase_ARunIsGoneWithAllThatIsBelowIt) {
  const RunId kept = CreateRun("kept").info.run_id;
  const RunId gone = CreateRun("gone").info.run_id;
  Batch batch{.params = {{"p", "1"}}, .tags = {{"t", "1"}}};
  for (int step = 0; step < 3'000; ++step) {
    batch.metrics.push_back({.key = step % 2 == 0 ? "even" : "odd",
                             .value = 1.0 * step,
                             .timestamp_ms = step,
                             .step = step});
  }
  for (const RunId& run : {kept, gone}) {
    ASSERT_TRUE(Log(run, batch).ok());
    ASSERT_TRUE(LogPoint(run, "late", 1, 1).ok());
    ASSERT_TRUE(Resume(run, 2, 2'000).ok());
    ASSERT_TRUE(Wait([&](Done done) { store_->LogOutputs(run, {{"m-1", 0}}, done); }).ok());
  }
  ASSERT_TRUE(SetRunDeleted(gone, true).ok());
  const ErasureScope scope{.deleted_before = clock_.UnixNow()};
  const auto found = AllPages(*store_, kRun, scope);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "gone");
  EXPECT_EQ(found[0].experiment_id, "0");
  EXPECT_EQ(found[0].artifact_uri, "mlflow-artifacts:/0/" + gone.value + "/artifacts");
  EXPECT_EQ(found[0].deleted_ms, clock_.UnixNow());
  EXPECT_EQ(found[0].points, 3'001);

  EXPECT_THAT(Ids(EraseThese(*store_, found, scope.deleted_before)), ElementsAre(gone.value));
  // Before and after its rows are removed.
  for (const bool rows : {false, true}) {
    EXPECT_EQ(store_->GetRun(gone).error().kind, ErrorKind::kNotFound) << rows;
    EXPECT_EQ(SetRunDeleted(gone, false).error().kind, ErrorKind::kNotFound)
        << "not to be restored";
    EXPECT_EQ(LogPoint(gone, "even", 1, 1).error().kind, ErrorKind::kNotFound);
    EXPECT_THAT(History(gone, "even"), IsEmpty());
    EXPECT_THAT(Erasables(kRun, scope), IsEmpty());
    const auto all = store_->SearchRuns({.experiment_ids = {"0"}, .view = ViewType::kAll});
    ASSERT_EQ(all->items.size(), 1U);
    EXPECT_EQ(all->items[0].info.run_id, kept);
    if (!rows) {
      EXPECT_EQ(EraseRows(), 3'001);
    }
  }
  EXPECT_EQ(store_->GetRun(kept)->params, (std::vector<Param>{{"p", "1"}}));
  EXPECT_EQ(store_->MetricHistory(kept, "odd", 25'000, "")->items.size(), 1'500U);

  // Who is made now, maybe in the same place, has nothing of it.
  Await<Result<tracker::Run>> again;
  store_->CreateRun({.run_id = gone, .run_name = "new"}, again.callback());
  ASSERT_TRUE(again.Get().ok());
  ASSERT_TRUE(LogPoint(gone, "even", 7, 7).ok());
  EXPECT_THAT(History(gone, "even"), ElementsAre(7));
  EXPECT_THAT(store_->GetRun(gone)->params, IsEmpty());
  EXPECT_THAT(store_->GetRun(gone)->model_outputs, IsEmpty());
}

TEST_P(RunStoreContract, Erase_WhatWasRestoredMeanwhileStays) {
  const RunId run = CreateRun("r").info.run_id;
  ASSERT_TRUE(SetRunDeleted(run, true).ok());
  const auto found = AllPages(*store_, kRun, {.deleted_before = clock_.UnixNow()});
  ASSERT_TRUE(SetRunDeleted(run, false).ok());
  EXPECT_THAT(EraseThese(*store_, found, clock_.UnixNow()), IsEmpty());
  clock_.Advance(seconds(1));
  ASSERT_TRUE(SetRunDeleted(run, true).ok()) << "deleted again, but not long enough ago";
  EXPECT_THAT(EraseThese(*store_, found, clock_.UnixNow() - 1), IsEmpty());
  EXPECT_TRUE(store_->GetRun(run).ok());
  EXPECT_THAT(*store_->ErasedRoots("", 10), IsEmpty());
}

TEST_P(RunStoreContract, Erase_ADatasetGoesWithTheLastRunThatUsedIt) {
  const RunId a = CreateRun("a").info.run_id, b = CreateRun("b").info.run_id;
  const auto use = [&](const RunId& run, const std::string& schema) {
    return Wait([&](Done done) {
      store_->LogInputs(run, {{{"d", "1", "local", "", schema, ""}, {{"k", "v"}}}}, {}, done);
    });
  };
  ASSERT_TRUE(use(a, "old").ok());
  ASSERT_TRUE(use(b, "old").ok());
  const auto erase = [&](const RunId& run) {
    EXPECT_TRUE(SetRunDeleted(run, true).ok());
    EXPECT_THAT(Erase(kRun, {.deleted_before = clock_.UnixNow()}), ElementsAre(run.value));
  };
  erase(a);
  EXPECT_EQ(store_->SearchDatasets({"0"})->size(), 1U);
  EXPECT_EQ(store_->GetRun(b)->dataset_inputs.at(0).tags.at(0).value, "v");
  erase(b);
  EXPECT_THAT(*store_->SearchDatasets({"0"}), IsEmpty());
  const RunId c = CreateRun("c").info.run_id;
  ASSERT_TRUE(use(c, "new").ok());
  EXPECT_EQ(store_->GetRun(c)->dataset_inputs.at(0).dataset.schema, "new");
}

TEST_P(RunStoreContract, Erase_ALoggedModelIsGone) {
  const RunId run = CreateRun("r").info.run_id;
  const LoggedModel model = CreateModel(
      {.experiment_id = "0", .name = "gone", .tags = {{"t", "1"}}, .params = {{"p", "1"}}});
  const LoggedModel kept = CreateModel({.experiment_id = "0", .name = "kept"});
  ASSERT_TRUE(Log(run, {.metrics = {{.key = "m", .value = 1, .model_id = model.model_id}}}).ok());
  const auto remove = [&](const LoggedModel& one) {
    return Wait([&](Done done) { store_->DeleteLoggedModel(one.model_id, done); });
  };
  const UnixMillis begin = clock_.UnixNow();
  ASSERT_TRUE(remove(model).ok());
  clock_.Advance(seconds(1));
  ASSERT_TRUE(remove(kept).ok());
  ASSERT_TRUE(remove(model).ok()) << "again: it keeps the time";
  EXPECT_THAT(Erase(kModel, {.deleted_before = begin}), ElementsAre(model.model_id));
  EXPECT_EQ(store_->GetAnyLoggedModel(model.model_id).error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(store_->GetAnyLoggedModel(kept.model_id).ok());
  EXPECT_THAT(History(run, "m"), ElementsAre(1)) << "the run's own point stays";
  const auto roots = store_->ErasedRoots("", 10);
  ASSERT_EQ(roots->size(), 1U);
  EXPECT_EQ(roots->at(0).artifact_uri, model.artifact_uri);
}

TEST_P(RunStoreContract, Erase_AnExperimentGoesLast_AndItsNameIsFree) {
  ASSERT_EQ(CreateExperiment("e", {{"k", "v"}}).value(), "1");
  ASSERT_EQ(CreateExperiment("other").value(), "2");
  const RunId run = CreateRun("r", 0, "1").info.run_id;
  const LoggedModel model = CreateModel({.experiment_id = "1", .name = "m"});
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted("1", true, done); }).ok());
  const ErasureScope scope{.deleted_before = clock_.UnixNow()};
  const auto experiment = AllPages(*store_, kExperiment, scope);
  ASSERT_THAT(Ids(experiment), ElementsAre("1"));
  EXPECT_EQ(experiment[0].left, 0);
  EXPECT_THAT(Erase(kExperiment, scope), IsEmpty()) << "its runs are there";
  EXPECT_THAT(Erase(kRun, scope), ElementsAre(run.value));
  EXPECT_THAT(Erase(kExperiment, scope), IsEmpty()) << "its model is there";
  EXPECT_THAT(Erase(kModel, scope), ElementsAre(model.model_id)) << "deleted by its experiment";
  EXPECT_EQ(CreateExperiment("e").error().kind, ErrorKind::kAlreadyExists);
  EXPECT_THAT(Erase(kExperiment, scope), ElementsAre("1"));
  EXPECT_EQ(store_->GetExperiment("1").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(CreateExperiment("e").value(), "3") << "the name, not the id";
  EXPECT_THAT(store_->GetExperimentByName("e")->tags, IsEmpty());
  Await<Result<std::string>> adopted;
  store_->AdoptExperiment({.experiment_id = "1", .name = "imported"}, adopted.callback());
  EXPECT_EQ(adopted.Get().value(), "4") << "nor for an import";
}

TEST_P(RunStoreContract, Erase_TheNewestExperimentsIdIsNotUsedAgain) {
  ASSERT_EQ(CreateExperiment("e").value(), "1");
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted("1", true, done); }).ok());
  EXPECT_THAT(Erase(kExperiment, {.deleted_before = clock_.UnixNow()}), ElementsAre("1"));
  if (GetParam().durable) Reopen();
  EXPECT_EQ(CreateExperiment("e").value(), "2");
}

TEST_P(RunStoreContract, Erase_WhatIsNotDeletedKeepsItsExperiment) {
  ASSERT_EQ(CreateExperiment("e").value(), "1");
  const RunId gone = CreateRun("gone", 0, "1").info.run_id;
  const RunId live = CreateRun("live", 0, "1").info.run_id;
  for (const char* id : {"0", "1"}) {
    ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted(id, true, done); }).ok());
  }
  ASSERT_TRUE(SetRunDeleted(live, false).ok());
  const ErasureScope scope{.deleted_before = clock_.UnixNow()};
  EXPECT_THAT(Erase(kRun, scope), ElementsAre(gone.value));
  const auto experiment = AllPages(*store_, kExperiment, scope);
  ASSERT_THAT(Ids(experiment), ElementsAre("1")) << "not 0, which MLflow needs";
  EXPECT_EQ(experiment[0].left, 1);
  EXPECT_THAT(Erase(kExperiment, scope), IsEmpty());
  EXPECT_TRUE(store_->GetRun(live).ok());
  EXPECT_TRUE(store_->GetExperiment("1")->deleted);
}

TEST_P(RunStoreContract, Erase_TheScopesListsChoose) {
  ASSERT_EQ(CreateExperiment("e").value(), "1");
  const RunId here = CreateRun("here").info.run_id, there = CreateRun("there", 0, "1").info.run_id;
  const RunId other = CreateRun("other").info.run_id;
  const LoggedModel model = CreateModel({.experiment_id = "0", .name = "m"});
  for (const RunId& run : {here, there, other}) ASSERT_TRUE(SetRunDeleted(run, true).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->DeleteLoggedModel(model.model_id, done); }).ok());
  ASSERT_TRUE(Wait([&](Done done) { store_->SetExperimentDeleted("1", true, done); }).ok());
  const UnixMillis now = clock_.UnixNow();
  const ErasureScope in_1{.deleted_before = now, .experiment_ids = {"1", "7"}};
  EXPECT_THAT(Erasables(kRun, in_1), ElementsAre(there.value));
  EXPECT_THAT(Erasables(kModel, in_1), IsEmpty());
  EXPECT_THAT(Erasables(kExperiment, in_1), ElementsAre("1"));
  const ErasureScope runs{.deleted_before = now, .run_ids = {other.value, "none"}};
  EXPECT_THAT(Erasables(kRun, runs), ElementsAre(other.value));
  EXPECT_THAT(Erasables(kModel, runs), IsEmpty());
  EXPECT_THAT(Erasables(kExperiment, runs), IsEmpty());
  const ErasureScope models{.deleted_before = now, .model_ids = {model.model_id}};
  EXPECT_THAT(Erasables(kRun, models), IsEmpty());
  EXPECT_THAT(Erasables(kModel, models), ElementsAre(model.model_id));
  EXPECT_EQ(Erasables(kRun, {.deleted_before = now}).size(), 3U);
  EXPECT_EQ(store_->FindErasable(kRun, runs, 1, "x", false).ok(), !GetParam().durable);
}

TEST_P(RunStoreContract, Erase_RootsThatSomethingElseUsesAreInUse) {
  const auto adopt = [&](const char* id, const char* uri) {
    Await<Result<bool>> added;
    store_->AdoptRun({.run_id = RunId(id), .experiment_id = "0", .artifact_uri = uri},
                     added.callback());
    EXPECT_TRUE(added.Get().value());
  };
  adopt("alone", "s3://b/alone");
  adopt("above", "s3://b/above");
  adopt("above_live", "s3://b/above/live");
  adopt("below", "s3://b/live/below");
  adopt("below_live", "s3://b/live");
  adopt("same", "s3://b/same");
  adopt("same_live", "s3://b/same");
  adopt("beside_live", "s3://b/alone2");
  for (const char* id : {"alone", "above", "below", "same"}) {
    ASSERT_TRUE(SetRunDeleted(RunId(id), true).ok());
  }
  EXPECT_EQ(Erase(kRun, {.deleted_before = clock_.UnixNow()}).size(), 4U);
  std::vector<std::string> found;
  const auto describe = [](const ErasedRoot& root) {
    return root.artifact_uri + (root.in_use ? " in use" : "");
  };
  for (std::string after;;) {
    const auto roots = store_->ErasedRoots(after, 1);
    if (roots->empty()) break;
    found.push_back(describe(roots->front()));
    after = roots->front().artifact_uri;
  }
  EXPECT_THAT(found, ElementsAre("s3://b/above in use", "s3://b/alone", "s3://b/live/below in use",
                                 "s3://b/same in use"));
  ASSERT_TRUE(Wait([&](Done done) {
                store_->ForgetErasedRoots({"s3://b/alone", "s3://b/same", "s3://b/none"}, done);
              }).ok());
  EXPECT_EQ(store_->ErasedRoots("", 10)->size(), 2U);
}

TEST_P(RunStoreContract, Erase_GoesOnAfterARestart) {
  if (!GetParam().durable) GTEST_SKIP() << "this store ends with its process";
  const RunId run = CreateRun("r").info.run_id;
  ASSERT_TRUE(LogPoint(run, "m", 1, 1).ok());
  ASSERT_TRUE(SetRunDeleted(run, true).ok());
  const UnixMillis now = clock_.UnixNow();
  EXPECT_EQ(EraseThese(*store_, AllPages(*store_, kRun, {.deleted_before = now}), now).size(), 1U);
  Reopen();
  EXPECT_EQ(store_->GetRun(run).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(EraseRows(), 1);
  EXPECT_EQ(store_->ErasedRoots("", 10)->size(), 1U);
}

}  // namespace muster::tracker
