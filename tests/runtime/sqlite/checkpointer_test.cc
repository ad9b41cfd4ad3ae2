#include "runtime/sqlite/checkpointer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace muster::sqlite {
namespace {

class CheckpointerTest : public testing::Test {
 protected:
  CheckpointerTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("checkpointer_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~CheckpointerTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "t.db"; }
  [[nodiscard]] std::uintmax_t LogBytes() const {
    return std::filesystem::file_size(folder_ / "t.db-wal");
  }
  /// `commits` transactions of about a page each.
  static void Write(Database& db, Checkpointer* checkpointer, int commits) {
    for (int i = 0; i < commits; ++i) {
      ASSERT_TRUE(
          db.Prepare("INSERT INTO t VALUES (?)").Bind(0, std::string(2'000, 'x')).Run().ok());
      if (checkpointer != nullptr) checkpointer->Committed(db);
    }
  }

  std::filesystem::path folder_;
};

TEST_F(CheckpointerTest, ALogThatGrows_BeginsAnewAtTheBound) {
  Database db = *Database::Open(file());
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a)").ok());
  const auto checkpointer =
      Checkpointer::Start(file(), db, {.begin_pages = 20, .most_pages = 60}).value();
  Write(db, checkpointer.get(), 300);
  EXPECT_LT(LogBytes(), 100U * 4'200);
  auto count = db.Prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.Step());
  EXPECT_EQ(count.Int(0), 300);
}

TEST_F(CheckpointerTest, ByHand_NobodyElseMovesTheLog) {
  Database db = *Database::Open(file());
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a)").ok());
  db.CheckpointByHand();
  Write(db, nullptr, 1'100);  // SQLite's own bound is 1,000 pages
  EXPECT_GE(db.log_pages(), 1'100);
  EXPECT_LT(std::filesystem::file_size(file()), 10U * 4'096);
  ASSERT_TRUE(db.Checkpoint().ok());
  EXPECT_GT(std::filesystem::file_size(file()), 500U * 4'096);
  Write(db, nullptr, 1);
  EXPECT_LT(db.log_pages(), 10);
}

TEST_F(CheckpointerTest, AReaderInTheWay_CostsRoomAndNothingElse) {
  Database db = *Database::Open(file());
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a)").ok());
  const auto checkpointer =
      Checkpointer::Start(file(), db, {.begin_pages = 20, .most_pages = 60}).value();
  Write(db, checkpointer.get(), 10);
  Database reader = *Database::Open(file(), {.read_only = true, .full_sync = false});
  ASSERT_TRUE(reader.Prepare("BEGIN").Run().ok());
  auto count = reader.Prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.Step());
  Write(db, checkpointer.get(), 200);
  EXPECT_EQ(count.Int(0), 10);
}

}  // namespace
}  // namespace muster::sqlite
