#include "registry/sqlite/model_store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/base/random.h"

/// What only a file can show: it is there after a restart, and it tells when somebody changed it.

namespace muster::registry {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class SqliteModelStoreFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<ModelStore> Open() {
    auto store = SqliteModelStore::Open(file_, clock_);
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
    return std::move(store).value();
  }
  void WriteThreeEntries() {
    const auto store = Open();
    ASSERT_TRUE(store->CreateModel("digits", "", {}, {"ada", "first reason"}).ok());
    ASSERT_TRUE(store->CreateVersion({.name = "digits"}, {"ada", "second reason"}).ok());
    ASSERT_TRUE(store->Promote({"digits", "champion", 1, 0, "p", false}, {"ada", "third"}).ok());
    ASSERT_TRUE(store->VerifyAudit().ok());
  }
  /// Changes one byte where `text` stands in the file.
  void FlipByteOf(std::string_view text) {
    std::ifstream in(file_, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const std::size_t at = bytes.find(text);
    ASSERT_NE(at, bytes.npos);
    bytes[at] ^= 1;
    std::ofstream(file_, std::ios::binary).write(bytes.data(), std::ssize(bytes));
  }
  void ExpectCorrupt(std::string_view text) {
    const Status status = Open()->VerifyAudit();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(status.error().message, HasSubstr(text));
  }
  Status Execute(std::string_view sql) {
    auto database = sqlite::Database::Open(file_);
    EXPECT_TRUE(database.ok());
    return database->Execute(sql);
  }

  FakeClock clock_;
  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("muster-registry-" + RandomHex(8));
  std::filesystem::path file_ = directory_ / "registry.db";
};

TEST_F(SqliteModelStoreFile, Reopened_HoldsEverything) {
  WriteThreeEntries();
  const auto store = Open();
  EXPECT_EQ(store->GetByAlias("digits", "champion")->version, 1);
  EXPECT_THAT(*store->PendingEvents(10), SizeIs(3));
  EXPECT_TRUE(store->Promote({"digits", "champion", 1, 0, "p", false}, {}).ok()) << "remembered";
  EXPECT_EQ(store->CreateVersion({.name = "digits"}, {})->version, 2);
  EXPECT_TRUE(store->VerifyAudit().ok());
}

TEST_F(SqliteModelStoreFile, ByteFlipped_VerifyNamesTheEntry) {
  WriteThreeEntries();
  FlipByteOf("second reason");
  ExpectCorrupt("audit entry 2 (version.create of 'digits') has hash");
}

TEST_F(SqliteModelStoreFile, HashFlipped_VerifyNamesAnEndOfTheLink) {
  WriteThreeEntries();
  const auto first = Open()->Audit("", 0, 1);
  FlipByteOf(first->front().hash);  // the first copy in the file may be either end of the link
  ExpectCorrupt("audit entry ");
}

TEST_F(SqliteModelStoreFile, TailRemoved_VerifyNamesTheMissingEntry) {
  WriteThreeEntries();
  ASSERT_TRUE(
      Execute("DROP TRIGGER audit_is_append_only_delete; DELETE FROM audit WHERE sequence = 3")
          .ok());
  ExpectCorrupt("audit entry 3 is missing");
}

TEST_F(SqliteModelStoreFile, MiddleRemoved_VerifyNamesTheGap) {
  WriteThreeEntries();
  ASSERT_TRUE(
      Execute("DROP TRIGGER audit_is_append_only_delete; DELETE FROM audit WHERE sequence = 2")
          .ok());
  ExpectCorrupt("audit entry 3 follows entry 1; wanted entry 2");
}

TEST_F(SqliteModelStoreFile, AuditRows_CannotBeChangedBySql) {
  WriteThreeEntries();
  EXPECT_THAT(Execute("UPDATE audit SET reason = 'x'").error().message,
              HasSubstr("the audit is append-only"));
  EXPECT_THAT(Execute("DELETE FROM audit").error().message, HasSubstr("the audit is append-only"));
}

TEST_F(SqliteModelStoreFile, NewerDatabase_IsRefused) {
  WriteThreeEntries();
  ASSERT_TRUE(Execute("PRAGMA user_version = 99").ok());
  const auto store = SqliteModelStore::Open(file_, clock_);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace muster::registry
