#include "registry/model_store.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "registry/audit_chain.h"
#include "registry/memory_model_store.h"
#include "registry/sqlite/model_store.h"
#include "runtime/base/clock.h"

/// What every adapter of the model store must do. MLflow's behaviours are those of its 3.18
/// sqlalchemy_store.py, texts included.

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<ModelStore>(const Clock&)> make;
};

class ModelStoreContract : public testing::TestWithParam<StoreKind> {
 protected:
  ModelVersion AddVersion(std::string_view model = "digits", std::string request_id = "") {
    NewVersion version;
    version.name = model;
    version.source = "mlflow-artifacts:/1/r/artifacts/model";
    version.request_id = std::move(request_id);
    auto made = store_->CreateVersion(version, actor_);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return made.ok() ? *made : ModelVersion{};
  }
  void AddModel(std::string_view name = "digits") {
    ASSERT_TRUE(store_->CreateModel(name, "", {}, actor_).ok());
  }
  /// "kind payload" of each event that waits.
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    const auto events = store_->PendingEvents(100).value();
    for (const auto& event : events) {
      told.push_back(event.kind + " " + event.payload_json);
    }
    return told;
  }
  Result<std::int64_t> Target() {
    return RollbackTarget(*store_->AliasHistory("digits"), "champion", [&](std::int64_t version) {
      return store_->GetVersion("digits", version).ok();
    });
  }
  Status Promote(std::int64_t version, std::int64_t expected, std::string request_id = "",
                 bool rollback = false) {
    return store_->Promote({"digits", "champion", version, expected, request_id, rollback}, actor_);
  }
  std::int64_t Champion() {
    auto found = store_->GetByAlias("digits", "champion");
    return found.ok() ? found->version : 0;
  }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    const auto all = store_->Audit("", 0, 1'000);
    for (const auto& entry : *all) {
      actions.push_back(entry.action + ":" + std::to_string(entry.version));
    }
    return actions;
  }
  std::vector<std::string> VersionsFound(std::string filter,
                                         std::vector<std::string> order_by = {}) {
    auto page = store_->SearchVersions({std::move(filter), std::move(order_by), 100, ""});
    EXPECT_TRUE(page.ok()) << (page.ok() ? "" : page.error().message);
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const auto& item : page->items)
      names.push_back(item.name + "/" + std::to_string(item.version));
    return names;
  }
  std::vector<std::string> ModelsFound(std::string filter, std::vector<std::string> order_by = {}) {
    auto page = store_->SearchModels({std::move(filter), std::move(order_by), 100, ""});
    EXPECT_TRUE(page.ok()) << (page.ok() ? "" : page.error().message);
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const auto& item : page->items) names.push_back(item.name);
    return names;
  }

  FakeClock clock_;
  std::unique_ptr<ModelStore> store_ = GetParam().make(clock_);
  Actor actor_{"ada", "because"};
};

#define EXPECT_ERROR(expression, wanted_kind, text)                 \
  do {                                                              \
    const auto outcome = (expression);                              \
    ASSERT_FALSE(outcome.ok());                                     \
    EXPECT_EQ(outcome.error().kind, wanted_kind);                   \
    EXPECT_THAT(outcome.error().message, testing::HasSubstr(text)); \
  } while (false)

TEST_P(ModelStoreContract, CreateModel_ComesBackWithSortedTags) {
  auto made = store_->CreateModel("digits", "ten", {{"b", "1"}, {"a", "2"}, {"b", "3"}}, actor_);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const auto model = store_->GetModel("digits");
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->description, "ten");
  EXPECT_EQ(model->creation_ms, clock_.UnixNow());
  ASSERT_THAT(model->tags, SizeIs(2));
  EXPECT_EQ(model->tags[0].key, "a");
  EXPECT_EQ(model->tags[1].value, "3");
  EXPECT_THAT(model->latest_versions, IsEmpty());
}

TEST_P(ModelStoreContract, CreateModel_Twice_AlreadyExists) {
  AddModel();
  EXPECT_ERROR(store_->CreateModel("digits", "", {}, actor_), ErrorKind::kAlreadyExists,
               "Registered Model (name=digits) already exists.");
  EXPECT_THAT(Actions(), ElementsAre("model.create:0"));
}

TEST_P(ModelStoreContract, BadNames_AreInvalid) {
  EXPECT_ERROR(store_->CreateModel("", "", {}, actor_), ErrorKind::kInvalid,
               "Missing value for required parameter 'name'.");
  EXPECT_ERROR(store_->CreateModel("a/b", "", {}, actor_), ErrorKind::kInvalid,
               "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
  EXPECT_ERROR(store_->CreateModel("..", "", {}, actor_), ErrorKind::kInvalid,
               "must not resolve to other names");
  EXPECT_ERROR(store_->CreateModel("m", "", {{"a\n", "v"}}, actor_), ErrorKind::kInvalid,
               "for parameter 'key' supplied");
  EXPECT_ERROR(store_->CreateModel("m", "", {{"k", std::string(100'001, 'x')}}, actor_),
               ErrorKind::kInvalid, "'value' exceeds the maximum length of 100000 characters");
  EXPECT_THAT(Actions(), IsEmpty());
}

TEST_P(ModelStoreContract, MissingThings_AreNotFound) {
  EXPECT_ERROR(store_->GetModel("x"), ErrorKind::kNotFound,
               "Registered Model with name=x not found");
  EXPECT_ERROR(store_->GetVersion("x", 1), ErrorKind::kNotFound,
               "Model Version (name=x, version=1) not found");
  EXPECT_ERROR(store_->CreateVersion({.name = "x", .tags = {}}, actor_), ErrorKind::kNotFound,
               "name=x");
  AddModel();
  EXPECT_ERROR(store_->GetVersion("digits", 1), ErrorKind::kNotFound, "version=1");
  EXPECT_ERROR(store_->SetAlias("digits", "a", 1, actor_), ErrorKind::kNotFound, "version=1");
  EXPECT_ERROR(store_->GetByAlias("digits", "a"), ErrorKind::kNotFound,
               "Registered model alias a not found.");
  EXPECT_ERROR(store_->GetByAlias("digits", "latest"), ErrorKind::kNotFound,
               "Latest version not found for model digits.");
  EXPECT_ERROR(Promote(1, 0), ErrorKind::kNotFound, "version=1");
  EXPECT_ERROR(store_->RecordGates("digits", 1, {}, actor_), ErrorKind::kNotFound, "version=1");
  EXPECT_THAT(Actions(), ElementsAre("model.create:0"));
}

TEST_P(ModelStoreContract, Versions_CountUpAndAreNeverReused) {
  AddModel();
  EXPECT_EQ(AddVersion().version, 1);
  EXPECT_EQ(AddVersion().version, 2);
  ASSERT_TRUE(store_->DeleteVersion("digits", 2, actor_).ok());
  EXPECT_EQ(AddVersion().version, 3);
  ASSERT_TRUE(store_->DeleteModel("digits", actor_).ok());
  AddModel();
  EXPECT_EQ(AddVersion().version, 4);
  EXPECT_THAT(VersionsFound(""), ElementsAre("digits/4"));
}

TEST_P(ModelStoreContract, CreateVersion_SameRequest_IsOneVersion) {
  AddModel();
  AddModel("other");
  EXPECT_EQ(AddVersion("digits", "r1").version, 1);
  EXPECT_EQ(AddVersion("digits", "r1").version, 1);
  EXPECT_EQ(AddVersion("digits", "r2").version, 2);
  EXPECT_ERROR(store_->CreateVersion({.name = "other", .tags = {}, .request_id = "r1"}, actor_),
               ErrorKind::kConflict, "request id 'r1' was used for version 1 of 'digits' before");
  EXPECT_THAT(Actions(), ElementsAre("model.create:0", "model.create:0", "version.create:1",
                                     "version.create:2"));
}

TEST_P(ModelStoreContract, CreateVersion_KeepsEveryField) {
  AddModel();
  NewVersion wanted{"digits", "s3://bucket/x", "run", "link", "words", "m-1", {{"k", "v"}}, "r"};
  ASSERT_TRUE(store_->CreateVersion(wanted, actor_).ok());
  const auto version = store_->GetVersion("digits", 1);
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->source, "s3://bucket/x");
  EXPECT_EQ(version->run_id, "run");
  EXPECT_EQ(version->run_link, "link");
  EXPECT_EQ(version->description, "words");
  EXPECT_EQ(version->model_id, "m-1");
  EXPECT_EQ(version->status, "READY");
  EXPECT_EQ(version->stage, "None");
  EXPECT_EQ(version->user_id, "ada");
  EXPECT_EQ(version->creation_ms, clock_.UnixNow());
  ASSERT_THAT(version->tags, SizeIs(1));
  EXPECT_EQ(store_->Audit("digits", 1, 1)->at(0).detail_json,
            R"({"description":"words","model_id":"m-1","request_id":"r","run_id":"run",)"
            R"("run_link":"link","source":"s3://bucket/x","tags":{"k":"v"}})");
}

TEST_P(ModelStoreContract, Update_ChangesDescriptionAndTime) {
  AddModel();
  AddVersion();
  clock_.Advance(std::chrono::seconds(5));
  ASSERT_TRUE(store_->UpdateModel("digits", "new", actor_).ok());
  ASSERT_TRUE(store_->UpdateVersion("digits", 1, "newer", actor_).ok());
  EXPECT_EQ(store_->GetModel("digits")->description, "new");
  EXPECT_EQ(store_->GetModel("digits")->last_updated_ms, clock_.UnixNow());
  EXPECT_EQ(store_->GetVersion("digits", 1)->description, "newer");
  EXPECT_EQ(store_->GetVersion("digits", 1)->last_updated_ms, clock_.UnixNow());
  EXPECT_EQ(store_->GetVersion("digits", 1)->creation_ms, clock_.UnixNow() - 5'000);
}

TEST_P(ModelStoreContract, Rename_TakesEverythingAlong) {
  AddModel();
  AddModel("taken");
  AddVersion();
  ASSERT_TRUE(Promote(1, 0, "p1").ok());
  const NewVersion wanted{.name = "digits", .request_id = "r1"};
  ASSERT_TRUE(store_->CreateVersion(wanted, actor_).ok());
  ASSERT_TRUE(store_->SetTag("digits", 1, "k", "v", actor_).ok());
  ASSERT_TRUE(store_->RecordGates("digits", 1, {{"parity", true, 0, 1, ""}}, actor_).ok());
  EXPECT_ERROR(store_->RenameModel("digits", "taken", actor_), ErrorKind::kAlreadyExists,
               "Registered Model (name=taken) already exists.");
  EXPECT_ERROR(store_->RenameModel("digits", " ", actor_), ErrorKind::kInvalid,
               "Missing value for required parameter 'new_name'.");
  ASSERT_TRUE(store_->RenameModel("digits", "numbers", actor_).ok());
  EXPECT_FALSE(store_->GetModel("digits").ok());
  const auto moved = store_->GetByAlias("numbers", "champion");
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_EQ(moved->name, "numbers");
  EXPECT_THAT(moved->tags, SizeIs(1));
  EXPECT_THAT(*store_->AliasHistory("numbers"), SizeIs(1));
  EXPECT_THAT(*store_->Gates("numbers", 1), SizeIs(1));
  EXPECT_EQ(store_->FindVersionByRequest("r1")->version, 2);
  EXPECT_TRUE(store_->Promote({"numbers", "champion", 1, 0, "p1", false}, actor_).ok());
  EXPECT_EQ(AddVersion("numbers").version, 3);
}

TEST_P(ModelStoreContract, Tags_AreSetReplacedAndDeleted) {
  AddModel();
  AddVersion();
  for (const std::int64_t version : {0, 1}) {
    ASSERT_TRUE(store_->SetTag("digits", version, "k", "1", actor_).ok());
    ASSERT_TRUE(store_->SetTag("digits", version, "k", "2", actor_).ok());
    ASSERT_TRUE(store_->SetTag("digits", version, "a", "", actor_).ok());
    ASSERT_TRUE(store_->SetTag("digits", version, "missing", std::nullopt, actor_).ok());
    const auto tags =
        version == 0 ? store_->GetModel("digits")->tags : store_->GetVersion("digits", 1)->tags;
    ASSERT_THAT(tags, SizeIs(2));
    EXPECT_EQ(tags[0].key, "a");
    EXPECT_EQ(tags[1].value, "2");
    ASSERT_TRUE(store_->SetTag("digits", version, "k", std::nullopt, actor_).ok());
  }
  EXPECT_THAT(store_->GetModel("digits")->tags, SizeIs(1));
  EXPECT_THAT(store_->GetVersion("digits", 1)->tags, SizeIs(1));
  EXPECT_THAT(Actions(), SizeIs(2 + 2 * 4));  // the missing tag changed nothing
}

TEST_P(ModelStoreContract, Stages_AreCanonicalAndArchive) {
  AddModel();
  AddVersion();
  AddVersion();
  EXPECT_ERROR(store_->TransitionStage("digits", 1, "best", false, actor_), ErrorKind::kInvalid,
               "Invalid Model Version stage: best. Value must be one of None, Staging, Production, "
               "Archived.");
  EXPECT_ERROR(store_->TransitionStage("digits", 1, "none", true, actor_), ErrorKind::kInternal,
               "because 'none' is not an Active stage");
  EXPECT_EQ(store_->TransitionStage("digits", 1, "production", true, actor_)->stage, "Production");
  EXPECT_EQ(store_->TransitionStage("digits", 2, "Production", true, actor_)->stage, "Production");
  EXPECT_EQ(store_->GetVersion("digits", 1)->stage, "Archived");
  const auto latest = store_->GetModel("digits")->latest_versions;
  ASSERT_THAT(latest, SizeIs(2));
  EXPECT_EQ(latest[0].stage, "Archived");
  EXPECT_EQ(latest[1].version, 2);
}

TEST_P(ModelStoreContract, Aliases_MoveAndFollowDeletion) {
  AddModel();
  AddVersion();
  AddVersion();
  ASSERT_TRUE(store_->SetAlias("digits", "best", 1, actor_).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "best", 2, actor_).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "best", 2, actor_).ok());
  EXPECT_THAT(store_->GetVersion("digits", 1)->aliases, IsEmpty());
  EXPECT_THAT(store_->GetVersion("digits", 2)->aliases, ElementsAre("best"));
  EXPECT_EQ(store_->GetByAlias("digits", "best")->version, 2);
  EXPECT_EQ(store_->GetByAlias("digits", "LATEST")->version, 2);
  ASSERT_TRUE(store_->DeleteVersion("digits", 2, actor_).ok());
  EXPECT_FALSE(store_->GetByAlias("digits", "best").ok());
  ASSERT_TRUE(store_->SetAlias("digits", "best", 0, actor_).ok());
  const auto history = store_->AliasHistory("digits");
  ASSERT_TRUE(history.ok());
  ASSERT_THAT(*history, SizeIs(3));
  EXPECT_EQ((*history)[0].version, 0);
  EXPECT_EQ((*history)[0].previous, 2);
  EXPECT_EQ((*history)[0].move, AliasMove::kRemove);
  EXPECT_EQ((*history)[1].previous, 1);
}

TEST_P(ModelStoreContract, AliasNames_FollowMlflowsRules) {
  AddModel();
  AddVersion();
  EXPECT_ERROR(store_->SetAlias("digits", "", 1, actor_), ErrorKind::kInvalid,
               "Registered model alias name cannot be empty.");
  EXPECT_ERROR(store_->SetAlias("digits", "a b", 1, actor_), ErrorKind::kInvalid,
               "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), "
               "and dashes (-).");
  EXPECT_ERROR(store_->SetAlias("digits", "Latest", 1, actor_), ErrorKind::kInvalid,
               "'latest' alias name (case insensitive) is reserved.");
  EXPECT_ERROR(store_->SetAlias("digits", "V12", 1, actor_), ErrorKind::kInvalid,
               "Version alias name 'V12' is reserved.");
  EXPECT_TRUE(store_->SetAlias("digits", "v1b", 1, actor_).ok());
  EXPECT_TRUE(store_->SetAlias("digits", "Champion", 1, actor_).ok());
  EXPECT_FALSE(store_->GetByAlias("digits", "champion").ok()) << "case matters";
  EXPECT_TRUE(store_->SetAlias("digits", "\xC3\xA9lite", 1, actor_).ok());
}

TEST_P(ModelStoreContract, Promote_StaleExpectation_ReturnsConflict) {
  AddModel();
  AddVersion();
  AddVersion();
  AddVersion();
  ASSERT_TRUE(Promote(1, 0).ok());
  EXPECT_ERROR(Promote(2, 0), ErrorKind::kConflict,
               "alias 'champion' of 'digits' points at version 1; the promotion of version 2 "
               "expected nothing");
  ASSERT_TRUE(Promote(2, 1).ok());
  EXPECT_ERROR(Promote(3, 1), ErrorKind::kConflict, "points at version 2");
  EXPECT_EQ(Champion(), 2);
  EXPECT_THAT(*store_->AliasHistory("digits"), SizeIs(2));
}

TEST_P(ModelStoreContract, Promote_SameRequest_IsOnePromotion) {
  AddModel();
  AddVersion();
  AddVersion();
  ASSERT_TRUE(Promote(1, 0, "p1").ok());
  ASSERT_TRUE(Promote(2, 1, "p2").ok());
  EXPECT_TRUE(Promote(1, 0, "p1").ok());
  EXPECT_EQ(Champion(), 2) << "a promotion sent again must not move the alias back";
  EXPECT_ERROR(Promote(1, 2, "p2"), ErrorKind::kConflict, "request id 'p2' was used");
  EXPECT_THAT(*store_->AliasHistory("digits"), SizeIs(2));
}

TEST_P(ModelStoreContract, Rollback_GoesBackOneStepEachTime) {
  AddModel();
  for (int i = 0; i < 3; ++i) AddVersion();
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(Promote(i, i - 1).ok());
  EXPECT_EQ(*Target(), 2);
  ASSERT_TRUE(Promote(2, 3, "", true).ok());
  EXPECT_EQ(*Target(), 1);
  ASSERT_TRUE(Promote(1, 2, "", true).ok());
  EXPECT_ERROR(Target(), ErrorKind::kNotFound,
               "alias 'champion' has no earlier version to go back to");
  EXPECT_EQ(store_->AliasHistory("digits")->front().move, AliasMove::kRollback);
  EXPECT_EQ(Actions().back(), "alias.rollback:1");
}

TEST_P(ModelStoreContract, Rollback_AfterRemoval_FindsTheVersionBefore) {
  AddModel();
  AddVersion();
  AddVersion();
  ASSERT_TRUE(Promote(1, 0).ok());
  ASSERT_TRUE(Promote(2, 1).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "champion", 0, actor_).ok());
  EXPECT_EQ(*Target(), 2);
  ASSERT_TRUE(Promote(2, 0, "", true).ok());
  EXPECT_EQ(*Target(), 1);
}

TEST_P(ModelStoreContract, Rollback_PastARemoval_GoesOn) {
  AddModel();
  for (int i = 0; i < 3; ++i) AddVersion();
  for (const int version : {1, 2, 0, 3}) {
    ASSERT_TRUE(store_->SetAlias("digits", "champion", version, actor_).ok());
  }
  EXPECT_EQ(*Target(), 2);
  ASSERT_TRUE(Promote(2, 3, "", true).ok());
  EXPECT_EQ(*Target(), 1);
}

TEST_P(ModelStoreContract, Rollback_PassesDeletedVersionsOver) {
  AddModel();
  for (int i = 0; i < 3; ++i) AddVersion();
  for (const int version : {1, 2, 3, 2}) {
    ASSERT_TRUE(store_->SetAlias("digits", "champion", version, actor_).ok());
  }
  ASSERT_TRUE(store_->DeleteVersion("digits", 3, actor_).ok());
  EXPECT_EQ(*Target(), 1) << "3 is gone, and below it is 2, which it names already";
  ASSERT_TRUE(Promote(1, 2, "", true).ok());
  EXPECT_ERROR(Target(), ErrorKind::kNotFound, "has no earlier version");
}

TEST_P(ModelStoreContract, Gates_AreKeptAndAdded) {
  AddModel();
  AddVersion();
  EXPECT_THAT(*store_->Gates("digits", 1), IsEmpty());
  ASSERT_TRUE(store_->RecordGates("digits", 1, {{"a", true, 0.5, 0.25, "fine"}}, actor_).ok());
  ASSERT_TRUE(
      store_->RecordGates("digits", 1, {{"b", false, std::nan(""), 1e-5, "no"}}, actor_).ok());
  const auto gates = store_->Gates("digits", 1);
  ASSERT_TRUE(gates.ok());
  ASSERT_THAT(*gates, SizeIs(2));
  EXPECT_EQ((*gates)[0].gate, "a");
  EXPECT_TRUE((*gates)[0].passed);
  EXPECT_EQ((*gates)[0].seen, 0.5);
  EXPECT_EQ((*gates)[0].wanted, 0.25);
  EXPECT_EQ((*gates)[0].detail, "fine");
  EXPECT_TRUE(std::isnan((*gates)[1].seen));
  ASSERT_TRUE(store_->DeleteVersion("digits", 1, actor_).ok());
  EXPECT_THAT(*store_->Gates("digits", 1), SizeIs(2)) << "verdicts are for ever";
}

TEST_P(ModelStoreContract, Gates_KeepTheirEvidence) {
  AddModel();
  AddVersion();
  const GateVerdict verdict{
      "g", true,   0.5,     0.25, "d", "folds", statistics::Interval{0.25, 0.75, 0.95},
      120, "ab12", "a test"};
  ASSERT_TRUE(store_->RecordGates("digits", 1, {verdict}, actor_).ok());
  const auto kept = store_->Gates("digits", 1)->at(0);
  EXPECT_EQ(kept.kind, "folds");
  EXPECT_EQ(kept.interval, verdict.interval);
  EXPECT_EQ(kept.rows, 120);
  EXPECT_EQ(kept.rows_sha256, "ab12");
  EXPECT_EQ(kept.method, "a test");
}

TEST_P(ModelStoreContract, GateFiles_AreKeptWithTheirHistory) {
  EXPECT_ERROR(store_->SetGateFile("digits", "", "[]", actor_), ErrorKind::kNotFound, "digits");
  AddModel();
  EXPECT_THAT(*store_->GateFiles("digits"), IsEmpty());
  ASSERT_TRUE(
      store_->SetGateFile("digits", "gates: [parity]", R"([{"parity": true}])", actor_).ok());
  ASSERT_TRUE(store_->SetGateFile("digits", "", "[]", {"eve", "none any more"}).ok());
  EXPECT_ERROR(store_->SetGateFile("digits", "x", "[", actor_), ErrorKind::kInvalid, "");
  EXPECT_ERROR(
      store_->SetGateFile("digits", std::string(kGateFileBytesMost + 1, ' '), "[]", actor_),
      ErrorKind::kInvalid, "65537 bytes");
  const auto files = *store_->GateFiles("digits");
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[0].text, "");
  EXPECT_EQ(files[0].actor, "eve");
  EXPECT_EQ(files[0].reason, "none any more");
  EXPECT_EQ(files[1].text, "gates: [parity]");
  EXPECT_EQ(files[1].gates_json, R"([{"parity":true}])");
  EXPECT_THAT(Actions(), ElementsAre("model.create:0", "gates.set:0", "gates.set:0"));
  EXPECT_EQ(store_->Audit("", 1, 1)->at(0).detail_json,
            R"({"gates":[{"parity":true}],"text":"gates: [parity]"})");
  ASSERT_TRUE(store_->RenameModel("digits", "numbers", actor_).ok());
  EXPECT_THAT(*store_->GateFiles("numbers"), SizeIs(2));
  ASSERT_TRUE(store_->DeleteModel("numbers", actor_).ok());
  AddModel("numbers");
  EXPECT_THAT(*store_->GateFiles("numbers"), IsEmpty());
}

TEST_P(ModelStoreContract, Audit_HoldsEveryChangeInAChain) {
  AddModel();
  AddVersion();
  ASSERT_TRUE(Promote(1, 0).ok());
  AddModel("other");
  ASSERT_TRUE(store_
                  ->AppendAudit("retrain.decision", "digits", 0, R"({"b":1, "a":[ true ]})",
                                {"cron", "nightly"}, "")
                  .ok());
  EXPECT_ERROR(store_->AppendAudit("x", "digits", 0, "{", actor_, ""), ErrorKind::kInvalid, "JSON");
  EXPECT_THAT(Actions(), ElementsAre("model.create:0", "version.create:1", "alias.promote:1",
                                     "model.create:0", "retrain.decision:0"));
  const auto all = *store_->Audit("", 0, 100);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].sequence, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(all[i].hash, AuditHash(all[i]));
    EXPECT_EQ(all[i].previous_hash, i == 0 ? "" : all[i - 1].hash);
  }
  EXPECT_EQ(all[2].detail_json, R"({"alias":"champion","from":0,"to":1})");
  EXPECT_EQ(all[4].detail_json, R"({"a":[true],"b":1})");
  EXPECT_EQ(all[4].actor, "cron");
  EXPECT_EQ(all[4].reason, "nightly");
  EXPECT_THAT(*store_->Audit("digits", 0, 100), SizeIs(4));
  EXPECT_THAT(*store_->Audit("digits", 3, 100), SizeIs(1));
  EXPECT_THAT(*store_->Audit("", 1, 2), SizeIs(2));
  EXPECT_TRUE(store_->VerifyAudit().ok());
}

TEST_P(ModelStoreContract, Requests_AreFoundAgain) {
  AddModel();
  AddVersion("digits", "r1");
  ASSERT_TRUE(store_->SetAlias("digits", "best", 1, actor_).ok());
  const auto version = store_->FindVersionByRequest("r1");
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->version, 1);
  EXPECT_THAT(version->aliases, ElementsAre("best"));
  EXPECT_ERROR(store_->FindVersionByRequest("r2"), ErrorKind::kNotFound, "'r2'");
  EXPECT_ERROR(store_->FindAuditByRequest("d1"), ErrorKind::kNotFound, "'d1'");
  ASSERT_TRUE(store_->AppendAudit("decide", "digits", 1, "{\"n\":1}", actor_, "d1").ok());
  ASSERT_TRUE(store_->AppendAudit("decide", "digits", 1, "{\"n\":2}", actor_, "d1").ok());
  EXPECT_EQ(store_->FindAuditByRequest("d1")->detail_json, "{\"n\":1}");
  EXPECT_EQ(store_->FindAuditByRequest("d1")->action, "decide");
  EXPECT_THAT(*store_->Audit("", 0, 100), SizeIs(4));
}

TEST_P(ModelStoreContract, Events_WaitForAcknowledgement) {
  AddModel();
  AddVersion();
  ASSERT_TRUE(Promote(1, 0).ok());
  const auto events = store_->PendingEvents(100);
  ASSERT_TRUE(events.ok());
  ASSERT_THAT(*events, SizeIs(3));
  EXPECT_EQ((*events)[2].kind, "model_version_alias.created");
  EXPECT_EQ((*events)[2].alias, "champion");
  EXPECT_EQ((*events)[2].version, 1);
  EXPECT_THAT(*store_->PendingEvents(2), SizeIs(2));
  ASSERT_TRUE(store_->AcknowledgeEvents((*events)[1].sequence).ok());
  EXPECT_THAT(*store_->PendingEvents(100), SizeIs(1));
  ASSERT_TRUE(store_->AcknowledgeEvents((*events)[2].sequence).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "champion", 0, actor_).ok());
  const auto later = *store_->PendingEvents(100);
  ASSERT_THAT(later, SizeIs(1));
  EXPECT_GT(later[0].sequence, (*events)[2].sequence);
  EXPECT_EQ(later[0].kind, "model_version_alias.deleted");
}

TEST_P(ModelStoreContract, Events_CarryWhatAWebHookIsTold) {
  int woken = 0;
  store_->SetEventObserver([&] { ++woken; });
  ASSERT_TRUE(store_->CreateModel("digits", "of digits", {{"team", "vision"}}, actor_).ok());
  NewVersion version{.name = "digits", .source = "s3://b/m", .tags = {{"k", "v"}}};
  ASSERT_TRUE(store_->CreateVersion(version, actor_).ok());
  ASSERT_TRUE(store_->SetTag("digits", 0, "team", "speech", actor_).ok()) << "no event";
  ASSERT_TRUE(store_->SetTag("digits", 1, "k", "w", actor_).ok());
  ASSERT_TRUE(store_->SetTag("digits", 1, "k", std::nullopt, actor_).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "best", 1, actor_).ok());
  ASSERT_TRUE(store_->SetAlias("digits", "best", 0, actor_).ok());
  EXPECT_THAT(
      Told(),
      ElementsAre(
          R"(registered_model.created {"name":"digits","tags":{"team":"vision"},"description":"of digits"})",
          R"(model_version.created {"name":"digits","version":"1","source":"s3://b/m","run_id":null,"tags":{"k":"v"},"description":null})",
          R"(model_version_tag.set {"name":"digits","version":"1","key":"k","value":"w"})",
          R"(model_version_tag.deleted {"name":"digits","version":"1","key":"k"})",
          R"(model_version_alias.created {"name":"digits","alias":"best","version":"1"})",
          R"(model_version_alias.deleted {"name":"digits","alias":"best"})"));
  EXPECT_EQ(woken, 6);
}

TEST_P(ModelStoreContract, EventsOfAPrompt_HaveKindsOfTheirOwn) {
  const Tag is_prompt{"mlflow.prompt.is_prompt", "True"};
  ASSERT_TRUE(store_->CreateModel("p", "", {is_prompt, {"a", "b"}}, actor_).ok());
  NewVersion version{.name = "p", .source = "dummy-source"};
  version.tags = {is_prompt, {"mlflow.prompt.text", "Hi {{x}}"}, {"_mlflow_prompt_type", "text"}};
  ASSERT_TRUE(store_->CreateVersion(version, actor_).ok());
  ASSERT_TRUE(store_->SetTag("p", 0, "a", "c", actor_).ok());
  ASSERT_TRUE(store_->SetTag("p", 1, "k", "v", actor_).ok());
  ASSERT_TRUE(store_->SetAlias("p", "live", 1, actor_).ok());
  EXPECT_THAT(
      Told(),
      ElementsAre(
          R"(prompt.created {"name":"p","tags":{"a":"b"},"description":""})",
          R"(prompt_version.created {"name":"p","version":"1","template":"Hi {{x}}","tags":{},"description":null})",
          R"(prompt_tag.set {"name":"p","key":"a","value":"c"})",
          R"(prompt_version_tag.set {"name":"p","version":"1","key":"k","value":"v"})",
          R"(prompt_alias.created {"name":"p","alias":"live","version":"1"})"));
}

TEST_P(ModelStoreContract, SearchModels_FiltersOrdersAndPages) {
  for (const auto* name : {"cats", "dogs", "Digits"}) AddModel(name);
  clock_.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(store_->UpdateModel("cats", "", actor_).ok());
  ASSERT_TRUE(store_->SetTag("dogs", 0, "team", "a", actor_).ok());
  EXPECT_THAT(ModelsFound(""), ElementsAre("Digits", "cats", "dogs"));
  EXPECT_THAT(ModelsFound("name = 'cats'"), ElementsAre("cats"));
  EXPECT_THAT(ModelsFound("name LIKE 'd%'"), ElementsAre("dogs"));
  EXPECT_THAT(ModelsFound("name ILIKE 'd%'"), ElementsAre("Digits", "dogs"));
  EXPECT_THAT(ModelsFound("name != 'cats' and tags.team = 'a'"), ElementsAre("dogs"));
  EXPECT_THAT(ModelsFound("tags.team != 'b'"), ElementsAre("dogs")) << "the key must exist";
  EXPECT_THAT(ModelsFound("", {"timestamp DESC"}), ElementsAre("cats", "Digits", "dogs"));
  EXPECT_ERROR(store_->SearchModels({"source = 'x'", {}, 10, ""}), ErrorKind::kInvalid, "source");
  EXPECT_ERROR(store_->SearchModels({"", {}, 1'001, ""}), ErrorKind::kInvalid,
               "It must be at most 1000, but got value 1001");
  const auto first = store_->SearchModels({"", {}, 2, ""});
  ASSERT_THAT(first->items, SizeIs(2));
  const auto second = store_->SearchModels({"", {}, 2, first->next_page_token});
  ASSERT_THAT(second->items, SizeIs(1));
  EXPECT_EQ(second->items[0].name, "dogs");
  EXPECT_EQ(second->next_page_token, "");
}

TEST_P(ModelStoreContract, Search_LeavesPromptsOutUnlessAsked) {
  AddModel("model");
  ASSERT_TRUE(store_->CreateModel("words", "", {{"mlflow.prompt.is_prompt", "true"}}, actor_).ok());
  AddVersion("model");
  ASSERT_TRUE(store_
                  ->CreateVersion({.name = "words",
                                   .source = "dummy-source",
                                   .tags = {{"mlflow.prompt.is_prompt", "true"}}},
                                  actor_)
                  .ok());
  EXPECT_THAT(ModelsFound(""), ElementsAre("model"));
  EXPECT_THAT(ModelsFound("tags.`mlflow.prompt.is_prompt` != 'true'"), ElementsAre("model"));
  EXPECT_THAT(ModelsFound("tags.`mlflow.prompt.is_prompt` = 'true'"), ElementsAre("words"));
  EXPECT_THAT(VersionsFound(""), ElementsAre("model/1"));
  EXPECT_THAT(VersionsFound("tags.`mlflow.prompt.is_prompt` = 'true'"), ElementsAre("words/1"));
}

TEST_P(ModelStoreContract, SearchVersions_FiltersAndOrders) {
  AddModel("a");
  AddModel("b");
  AddVersion("a");
  clock_.Advance(std::chrono::seconds(1));
  AddVersion("b");
  AddVersion("b");
  ASSERT_TRUE(store_->SetAlias("b", "best", 2, actor_).ok());
  EXPECT_THAT(VersionsFound(""), ElementsAre("b/2", "b/1", "a/1"));
  EXPECT_THAT(VersionsFound("name = 'b'"), ElementsAre("b/2", "b/1"));
  EXPECT_THAT(VersionsFound("name IN ('a','c')"), ElementsAre("a/1"));
  EXPECT_THAT(VersionsFound("version_number >= 2"), ElementsAre("b/2"));
  EXPECT_THAT(VersionsFound("source_path LIKE 'mlflow-artifacts:%'", {"name ASC"}),
              ElementsAre("a/1", "b/2", "b/1"));
  EXPECT_THAT(VersionsFound("run_id = 'nobody'"), IsEmpty());
  const auto page = store_->SearchVersions({"name = 'b'", {}, 10, ""});
  EXPECT_THAT(page->items[0].aliases, ElementsAre("best")) << "MLflow leaves them empty";
}

std::unique_ptr<ModelStore> OpenInMemory(const Clock& clock) {
  auto store = SqliteModelStore::Open(":memory:", clock);
  EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
  return std::move(store).value();
}

std::vector<StoreKind> Kinds() {
  return {{"Memory", [](const Clock& clock) { return std::make_unique<MemoryModelStore>(clock); }},
          {"Sqlite", OpenInMemory}};
}

INSTANTIATE_TEST_SUITE_P(All, ModelStoreContract, testing::ValuesIn(Kinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace muster::registry
