#include "registry/trust_store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "registry/promoter.h"
#include "registry/sqlite/model_store.h"
#include "runtime/base/random.h"
#include "runtime/wire/codec.h"

/// Approvals, guarded aliases and what served when, on the real store.

namespace muster::registry {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kPolicy =
    R"({"approvals":"2 of [ml-leads], never the author",)"
    R"("groups":{"ml-leads":["ada","grace","linus"]},"guards":["champion"]})";

class Trust : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store_->CreateModel("digits", "", {}, {"ada", ""}).ok());
    for (int i = 0; i < 3; ++i) AddVersion();
    SetPolicy(kPolicy);
  }
  void AddVersion() {
    NewVersion version{.name = "digits", .source = "s"};
    version.author = "ada";
    const auto made = store_->CreateVersion(version, {"muster", ""});
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(made->user_id, "ada");
    ASSERT_TRUE(Record(made->version, true).ok());
  }
  Status Record(std::int64_t version, bool passed) {
    return store_->RecordGates("digits", version, {{"parity", passed, 1e-7, 1e-5, ""}}, {});
  }
  void SetPolicy(std::string_view text) {
    ASSERT_TRUE(store_->SetPolicy("digits", *PolicyFromJson(*wire::ParseJson(text)), {}).ok());
  }
  Result<ApprovalState> Say(std::string person, std::int64_t version, bool approve = true,
                            std::string reason = "looked at it") {
    return store_->Decide({"digits", version, std::move(person), approve, std::move(reason)});
  }
  Status Promote(std::int64_t version, std::int64_t expected, bool wait = false) {
    Promotion promotion{"digits", "champion", version, expected, "p" + std::to_string(version)};
    promotion.wait = wait;
    return store_->Promote(promotion, {"muster", "better"});
  }
  void Serve(std::int64_t version, std::int64_t expected) {
    ASSERT_TRUE(Say("grace", version).ok());
    ASSERT_TRUE(Say("linus", version).ok());
    const Status promoted = Promote(version, expected);
    ASSERT_TRUE(promoted.ok()) << promoted.error().message;
  }
  std::int64_t Champion() {
    const auto now = store_->GetByAlias("digits", "champion");
    return now.ok() ? now->version : 0;
  }
  AuditEntry LastEntry() { return store_->Audit("", 0, 1'000)->back(); }
  void ExpectRefused(const Status& status, std::string_view why) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kFenced);
    EXPECT_THAT(status.error().message, HasSubstr(why));
    EXPECT_EQ(LastEntry().action, "alias.refused");
    EXPECT_THAT(LastEntry().detail_json, HasSubstr(why));
  }

  FakeClock clock_;
  std::unique_ptr<SqliteModelStore> store_ =
      *SqliteModelStore::Open(":memory:", clock_, SigningKey::Generate());
};

TEST_F(Trust, GuardedAlias_IsRefusedInWordsUntilTwoApprove) {
  ExpectRefused(store_->SetAlias("digits", "champion", 1, {"mlflow", ""}),
                "alias 'champion' of 'digits' is guarded: 0 approvals given, wanted 2 of "
                "[ml-leads], never the author");
  EXPECT_EQ(LastEntry().actor, "mlflow");
  ExpectRefused(Promote(1, 0), "0 approvals given");
  ASSERT_TRUE(Say("grace", 1).ok());
  ExpectRefused(Promote(1, 0), "1 approvals given");
  EXPECT_THAT(Say("linus", 1)->unmet, IsEmpty());
  EXPECT_EQ(Champion(), 0) << "nobody asked for it to be promoted";
  EXPECT_TRUE(store_->SetAlias("digits", "champion", 1, {"mlflow", ""}).ok());
  EXPECT_EQ(Champion(), 1);
  EXPECT_TRUE(store_->SetAlias("digits", "challenger", 2, {}).ok()) << "not guarded";
  EXPECT_TRUE(store_->VerifyAudit().ok());
}

TEST_F(Trust, WaitingPromotion_GoesOnWithTheLastApproval) {
  ExpectRefused(Promote(1, 0, true), "it goes on with the last of them");
  EXPECT_THAT(Say("grace", 1)->promoted, IsEmpty());
  const auto last = Say("linus", 1);
  ASSERT_THAT(last->promoted, SizeIs(1));
  EXPECT_EQ(last->promoted[0].alias, "champion");
  EXPECT_EQ(Champion(), 1);
  EXPECT_EQ(store_->AliasHistory("digits")->front().actor, "muster");
  EXPECT_TRUE(Promote(1, 0).ok()) << "the same request: it is done";
  EXPECT_THAT(Say("ada", 1).error().message, HasSubstr("'ada' is the author"));
}

TEST_F(Trust, WaitingPromotion_WhoseAliasMoved_IsDropped) {
  EXPECT_FALSE(Promote(2, 0, true).ok());
  Serve(1, 0);
  ASSERT_TRUE(Say("grace", 2).ok());
  EXPECT_THAT(Say("linus", 2)->promoted, IsEmpty());
  EXPECT_EQ(Champion(), 1);
  EXPECT_EQ(LastEntry().action, "alias.refused");
  EXPECT_THAT(LastEntry().detail_json, HasSubstr("points at version 1"));
}

TEST_F(Trust, NewVerdicts_VoidApprovals) {
  ASSERT_TRUE(Say("grace", 1).ok());
  ASSERT_TRUE(Say("linus", 1).ok());
  ASSERT_TRUE(Record(1, true).ok());
  ExpectRefused(Promote(1, 0), "verdicts recorded since voided earlier ones");
  ASSERT_TRUE(Record(1, false).ok());
  ExpectRefused(Promote(1, 0), "gate 'parity' refused it");
}

TEST_F(Trust, Rejection_StandsUntilItIsTakenBack) {
  ASSERT_TRUE(Say("grace", 1).ok());
  ASSERT_TRUE(Say("linus", 1).ok());
  EXPECT_THAT(Say("linus", 1, false, "biased")->unmet, SizeIs(2));
  ExpectRefused(Promote(1, 0), "rejected by 'linus': biased");
  EXPECT_THAT(Say("linus", 1)->unmet, IsEmpty());
  EXPECT_TRUE(Promote(1, 0).ok());
}

TEST_F(Trust, AuthorAndStranger_MayNotApprove_AndAreWrittenDown) {
  for (const auto& [person, why] :
       {std::pair("ada", "is the author"), std::pair("eve", "is in none of the groups")}) {
    const auto said = Say(person, 1);
    ASSERT_FALSE(said.ok());
    EXPECT_EQ(said.error().kind, ErrorKind::kFenced);
    EXPECT_THAT(said.error().message, HasSubstr(why));
    EXPECT_EQ(LastEntry().action, "approval.refused");
    EXPECT_EQ(LastEntry().actor, person);
  }
  EXPECT_THAT(store_->Approvals("digits", 1)->approvals, IsEmpty());
  EXPECT_EQ(Say("grace", 9).error().kind, ErrorKind::kNotFound);
}

TEST_F(Trust, GuardedAlias_CannotBeGotRoundByRemovalDeletionOrRename) {
  Serve(1, 0);
  ExpectRefused(store_->SetAlias("digits", "champion", 0, {}), "cannot be removed");
  ExpectRefused(store_->DeleteVersion("digits", 1, {}), "cannot be deleted with its version");
  ExpectRefused(store_->DeleteModel("digits", {}), "cannot be deleted with its model");
  ExpectRefused(Status(store_->RenameModel("digits", "x", {}).error()), "has a policy");
  ASSERT_TRUE(store_->CreateModel("x", "", {}, {}).ok());
  EXPECT_EQ(store_->RenameModel("x", "digits", {}).error().kind, ErrorKind::kFenced);
  EXPECT_TRUE(store_->DeleteVersion("digits", 2, {}).ok());
  ASSERT_TRUE(store_->SetPolicy("digits", std::nullopt, {"root", ""}).ok());
  EXPECT_EQ(LastEntry().action, "policy.remove");
  EXPECT_TRUE(store_->DeleteModel("digits", {}).ok());
}

TEST_F(Trust, Rollback_GoesToWhatServedBefore_WithoutNewApprovals) {
  Serve(1, 0);
  Serve(2, 1);
  Serve(3, 2);
  ASSERT_TRUE(Record(1, false).ok());
  EXPECT_EQ(*Rollback(*store_, "digits", "champion", {"op", "alarm"}, 1), 1);
  EXPECT_EQ(Champion(), 1);
  AddVersion();
  EXPECT_EQ(Rollback(*store_, "digits", "champion", {"op", ""}, 4).error().kind,
            ErrorKind::kInvalid);
  Promotion forged{"digits", "champion", 4, 1, "", true};
  ExpectRefused(store_->Promote(forged, {}), "0 approvals given");
}

TEST_F(Trust, SweepsApprovals_AreWantedWithoutAPolicy) {
  ASSERT_TRUE(store_->SetPolicy("digits", std::nullopt, {}).ok());
  Promotion promotion{"digits", "champion", 1, 0, "p"};
  promotion.approvals = 1;
  promotion.wait = true;
  ExpectRefused(store_->Promote(promotion, {}), "wanted 1, never the author");
  EXPECT_EQ(Say("ada", 1).error().kind, ErrorKind::kFenced);
  EXPECT_THAT(Say("anybody", 1)->promoted, SizeIs(1));
}

TEST_F(Trust, StaleCompareAndSwap_ChangesNothingAndIsWrittenDown) {
  Serve(1, 0);
  const Status stale = Promote(2, 0);
  EXPECT_EQ(stale.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(LastEntry().action, "alias.refused");
  EXPECT_EQ(Champion(), 1);
}

TEST_F(Trust, Tokens_NamePeopleUntilTheyAreRevoked) {
  const std::string token = *store_->AddToken("grace", {"root", ""});
  EXPECT_THAT(LastEntry().detail_json, testing::Not(HasSubstr(token)));
  EXPECT_EQ(*store_->PersonOf(token), "grace");
  EXPECT_EQ(store_->PersonOf("").error().kind, ErrorKind::kUnauthorized);
  EXPECT_EQ(store_->PersonOf(token + "x").error().kind, ErrorKind::kUnauthorized);
  ASSERT_TRUE(store_->RevokeTokens("grace", {}).ok());
  EXPECT_EQ(store_->PersonOf(token).error().kind, ErrorKind::kUnauthorized);
  EXPECT_EQ(store_->RevokeTokens("grace", {}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(store_->AddToken("", {}).error().kind, ErrorKind::kInvalid);
}

TEST_F(Trust, ServedAt_TellsVersionWhoAndEvidenceOfThatTime) {
  const auto begin = clock_.UnixNow();
  clock_.Advance(std::chrono::seconds(10));
  Serve(1, 0);
  clock_.Advance(std::chrono::seconds(10));
  Serve(2, 1);
  clock_.Advance(std::chrono::seconds(10));
  ASSERT_TRUE(Record(1, false).ok());
  ASSERT_TRUE(Say("linus", 1, false, "too late").ok());

  EXPECT_EQ(store_->ServedAt("digits", "champion", begin).error().kind, ErrorKind::kNotFound);
  const auto first = store_->ServedAt("digits", "champion", begin + 19'999);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->change.version, 1);
  EXPECT_EQ(first->change.actor, "muster");
  EXPECT_EQ(first->until_ms, begin + 20'000);
  EXPECT_EQ(first->author, "ada");
  EXPECT_THAT(first->verdicts, SizeIs(1)) << "what was recorded later is not what it was let on";
  ASSERT_THAT(first->approvals, SizeIs(2));
  EXPECT_EQ(first->approvals[0].person, "grace");
  EXPECT_TRUE(first->approvals[1].approved);
  EXPECT_EQ(store_->Audit("", first->audit - 1, 1)->at(0).action, "alias.promote");
  const auto now = store_->ServedAt("digits", "champion", begin + 20'000);
  EXPECT_EQ(now->change.version, 2);
  EXPECT_EQ(now->until_ms, 0);
}

/// Many clients at once: each change is whole, and all of them are in one chain.
TEST(TrustFile, ManyWriters_ShareCommitsAndKeepTheChain) {
  const auto folder = std::filesystem::temp_directory_path() / ("muster-trust-" + RandomHex(8));
  std::filesystem::create_directories(folder);
  {
    const auto store = *SqliteModelStore::OpenSigned(folder / "registry.db", SystemClock());
    constexpr int kWriters = 8, kEach = 40;
    for (int i = 0; i < kWriters; ++i) {
      const std::string name = "m" + std::to_string(i);
      ASSERT_TRUE(store->CreateModel(name, "", {}, {}).ok());
      ASSERT_TRUE(store->CreateVersion({.name = name}, {}).ok());
      ASSERT_TRUE(store->CreateVersion({.name = name}, {}).ok());
    }
    std::vector<std::jthread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back([&store, i] {
        const std::string name = "m" + std::to_string(i);
        for (int move = 0; move < kEach; ++move) {
          const std::int64_t now = move == 0 ? 0 : 1 + (move + 1) % 2;
          const std::int64_t next = 1 + move % 2;
          EXPECT_TRUE(store->Promote({name, "champion", next, now, ""}, {}).ok()) << move;
          EXPECT_EQ(store->GetByAlias(name, "champion")->version, next);
          EXPECT_EQ(store->Promote({name, "champion", next, 9, ""}, {}).error().kind,
                    ErrorKind::kConflict);
        }
      });
    }
    writers.clear();
    EXPECT_TRUE(store->VerifyAudit().ok());
    const auto report = store->CheckAudit({.every_signature = true});
    EXPECT_EQ(report->entries, 1 + kWriters * (3 + 2 * kEach));
    EXPECT_EQ(report->signatures, report->entries);
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(folder / kAuditKeyFile).permissions(),
              perms::owner_read | perms::owner_write);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace muster::registry
