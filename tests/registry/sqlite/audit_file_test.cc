#include "registry/sqlite/audit_file.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "registry/sqlite/model_store.h"
#include "runtime/base/random.h"

/// What an attacker with the file, but without the key, can do to an audit, and how it is found.

namespace muster::registry {
namespace {

using testing::HasSubstr;

class AuditFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SqliteModelStore> Open(std::optional<SigningKey> key) {
    return std::move(SqliteModelStore::Open(file_, clock_, std::move(key))).value();
  }
  /// Entry 1 tells of the key.
  void Write(std::int64_t entries) {
    const auto store = Open(key_);
    for (std::int64_t i = 2; i <= entries; ++i) {
      ASSERT_TRUE(store->AppendAudit("note", "digits", i, "{}", {"ada", "why"}, "").ok());
    }
  }
  void Execute(const std::string& sql) {
    auto database = sqlite::Database::Open(file_, {.full_sync = false}).value();
    const Status done = database.Execute(
        "DROP TRIGGER IF EXISTS audit_is_append_only_update; DROP TRIGGER IF EXISTS "
        "audit_is_append_only_delete; " +
        sql);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  /// As if written by muster: from `first` on all hashes, links and the head are made to fit.
  void Forge(std::int64_t first) {
    auto database = sqlite::Database::Open(file_, {.full_sync = false}).value();
    std::vector<AuditEntry> entries;
    ASSERT_TRUE(ForEachAuditEntry(file_, [&](const AuditEntry& entry) {
                  entries.push_back(entry);
                  return Ok();
                }).ok());
    std::string before;
    ASSERT_TRUE(database.Begin().ok());
    for (AuditEntry& entry : entries) {
      if (entry.sequence >= first) {
        entry.previous_hash = before;
        entry.hash = AuditHash(entry);
        ASSERT_TRUE(
            database.Prepare("UPDATE audit SET previous_hash = ?, hash = ? WHERE sequence = ?")
                .BindAll(entry.previous_hash, entry.hash, entry.sequence)
                .Run()
                .ok());
      }
      before = entry.hash;
    }
    ASSERT_TRUE(database.Prepare("UPDATE audit_head SET count = ?, hash = ?")
                    .BindAll(entries.back().sequence, before)
                    .Run()
                    .ok());
    ASSERT_TRUE(database.Commit().ok());
  }
  std::string Finding(AuditCheck check = {}) {
    const auto report = CheckAuditFile(file_, check);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report->finding;
  }

  FakeClock clock_;
  const SigningKey key_ = SigningKey::Generate();
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-audit-" + RandomHex(8));
  const std::filesystem::path file_ = folder_ / "registry.db";
};

TEST_F(AuditFile, Whole_SaysWhatItChecked) {
  Write(600);
  const auto report = *CheckAuditFile(file_, {.key = key_.public_key()});
  EXPECT_EQ(report.finding, "");
  EXPECT_EQ(report.entries, 600);
  EXPECT_EQ(report.signed_since, 1);
  EXPECT_EQ(report.signatures, 3) << "of entries 256, 512 and 600";
  EXPECT_EQ(CheckAuditFile(file_, {.every_signature = true})->signatures, 600);
  EXPECT_EQ(Finding({.head = AuditHead{600, report.head}}), "");
}

TEST_F(AuditFile, Tampered_IsFoundAndNamed) {
  const std::string shift =
      "UPDATE audit SET sequence = -sequence WHERE sequence > 5; UPDATE audit SET sequence = "
      "-sequence - 1 WHERE sequence < 0; ";
  const struct {
    const char* what;
    std::string sql;
    std::int64_t forged_from;  // 0: hashes stay as they are
    const char* finding;
  } cases[] = {
      {"edited", "UPDATE audit SET actor = 'eve' WHERE sequence = 5", 0,
       "audit entry 5 (note of 'digits') has hash"},
      {"its hash edited, too", "UPDATE audit SET actor = 'eve' WHERE sequence = 5", 5,
       "audit entry 10 is not signed by the audit's key"},
      {"removed", "DELETE FROM audit WHERE sequence = 5", 0,
       "audit entry 6 follows entry 4; wanted entry 5"},
      {"removed, and the rest moved up", "DELETE FROM audit WHERE sequence = 5; " + shift, 5,
       "audit entry 9 is not signed by the audit's key"},
      {"reordered",
       "UPDATE audit SET sequence = -5 WHERE sequence = 5; UPDATE audit SET sequence = 5 WHERE "
       "sequence = 6; UPDATE audit SET sequence = 6 WHERE sequence = -5",
       0, "audit entry 5 links to hash"},
      {"reordered, and hashes made to fit",
       "UPDATE audit SET sequence = -5 WHERE sequence = 5; UPDATE audit SET sequence = 5 WHERE "
       "sequence = 6; UPDATE audit SET sequence = 6 WHERE sequence = -5",
       5, "audit entry 10 is not signed by the audit's key"},
      {"added",
       "INSERT INTO audit SELECT 11, time_ms, actor, action, model, reason, version, detail, "
       "hash, 'x', signature FROM audit WHERE sequence = 10",
       0, "audit entry 11"},
      {"added, and hashes made to fit",
       "INSERT INTO audit SELECT 11, time_ms, actor, action, model, reason, version, detail, '', "
       "'', "
       "signature FROM audit WHERE sequence = 10",
       11, "audit entry 11 is not signed by the audit's key"},
      {"added without a signature",
       "INSERT INTO audit SELECT 11, time_ms, actor, action, model, reason, version, detail, '', "
       "'', "
       "'' FROM audit WHERE sequence = 10",
       11, "audit entry 11 is not signed"},
      {"its signature taken away", "UPDATE audit SET signature = '' WHERE sequence = 5", 0,
       "audit entry 5 is not signed"},
      {"its end cut", "DELETE FROM audit WHERE sequence = 10", 0, "audit entry 10 is missing"},
      {"its recorded end removed", "DELETE FROM audit_head", 0, "audit_head is empty"},
      {"its key replaced", "UPDATE audit_head SET public_key = ''", 0,
       "nothing in this audit is signed"},
  };
  for (const auto& [what, sql, forged_from, finding] : cases) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Write(10);
    Execute(sql);
    if (forged_from > 0) Forge(forged_from);
    EXPECT_THAT(Finding({.key = key_.public_key()}), HasSubstr(finding)) << what;
  }
}

TEST_F(AuditFile, EndCutWithItsRecord_IsFoundByAHeadWrittenDownBefore) {
  Write(10);
  const std::string head = CheckAuditFile(file_, {})->head;
  Execute("DELETE FROM audit WHERE sequence > 8");
  Forge(9);
  EXPECT_EQ(Finding({.key = key_.public_key()}), "") << "the file alone cannot show it";
  EXPECT_THAT(Finding({.head = AuditHead{10, head}}),
              HasSubstr("audit entry 10 is not the one that was written down"));
}

TEST_F(AuditFile, OldEntriesWithoutAKey_AreCoveredByTheFirstSignedOne) {
  {
    const auto store = Open(std::nullopt);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->AppendAudit("note", "", 0, "{}", {}, "").ok());
  }
  EXPECT_EQ(CheckAuditFile(file_, {})->signed_since, 0);
  EXPECT_THAT(Finding({.key = key_.public_key()}), HasSubstr("nothing in this audit is signed"));
  Open(key_);
  const auto report = *CheckAuditFile(file_, {.key = key_.public_key()});
  EXPECT_EQ(report.finding, "");
  EXPECT_EQ(report.signed_since, 4);
  Execute("UPDATE audit SET reason = 'x' WHERE sequence = 2");
  Forge(2);
  EXPECT_THAT(Finding(), HasSubstr("audit entry 4 is not signed by the audit's key"));
}

TEST_F(AuditFile, AnotherKey_BeginsWithAnEntryOfItsOwn) {
  Write(5);
  const SigningKey other = SigningKey::Generate();
  Open(other);
  Open(other);
  const auto report = *CheckAuditFile(file_, {.key = other.public_key()});
  EXPECT_EQ(report.finding, "");
  EXPECT_EQ(report.entries, 6) << "the second opening changes nothing";
  EXPECT_EQ(report.signed_since, 6);
  EXPECT_THAT(Finding({.key = key_.public_key()}), HasSubstr("signed with another key"));
}

TEST_F(AuditFile, Large_IsSplitAndFoundAtTheSeams) {
  constexpr std::int64_t kEntries = 45'000;  // two threads
  Write(1);
  {
    auto database = sqlite::Database::Open(file_, {.full_sync = false}).value();
    AuditEntry entry = [&] {
      AuditEntry first;
      EXPECT_TRUE(ForEachAuditEntry(file_, [&](const AuditEntry& e) {
                    first = e;
                    return Ok();
                  }).ok());
      return first;
    }();
    ASSERT_TRUE(database.Begin().ok());
    for (entry.sequence = 2; entry.sequence <= kEntries; ++entry.sequence) {
      entry.previous_hash = entry.hash;
      entry.hash = AuditHash(entry);
      const bool checked = entry.sequence % kCheckedEvery == 0 || entry.sequence == kEntries;
      if (checked) entry.signature = key_.Sign(entry.hash);
      ASSERT_TRUE(database.Prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                      .BindAll(entry.sequence, entry.time_ms, entry.actor, entry.action,
                               entry.model, entry.reason, entry.version, entry.detail_json,
                               entry.previous_hash, entry.hash, entry.signature)
                      .Run()
                      .ok());
    }
    ASSERT_TRUE(database.Prepare("UPDATE audit_head SET count = ?, hash = ?")
                    .BindAll(kEntries, entry.hash)
                    .Run()
                    .ok());
    ASSERT_TRUE(database.Commit().ok());
  }
  const AuditCheck check{.key = key_.public_key(), .threads = 2};
  EXPECT_EQ(Finding(check), "");
  Execute("UPDATE audit SET reason = 'x' WHERE sequence IN (22500, 40000)");
  EXPECT_THAT(Finding(check), HasSubstr("audit entry 22500 (audit.key of '') has hash"));
  Execute("DELETE FROM audit WHERE sequence = 22500");
  EXPECT_THAT(Finding(check), HasSubstr("audit entry 22500 is missing"));
}

}  // namespace
}  // namespace muster::registry
