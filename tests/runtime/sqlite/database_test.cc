#include "runtime/sqlite/database.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace muster::sqlite {
namespace {

Database Memory() { return *Database::Open(":memory:"); }

TEST(Database, Values_RoundTrip) {
  Database db = Memory();
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a, b, c, d)").ok());
  const std::string bytes("x\0y", 3);
  ASSERT_TRUE(db.Prepare("INSERT INTO t VALUES (?,?,?,?)")
                  .BindAll(std::int64_t{1} << 40, 0.1, std::string_view(bytes), std::string_view())
                  .Run()
                  .ok());
  auto row = db.Prepare("SELECT a, b, c, d, NULL FROM t");
  ASSERT_TRUE(*row.Step());
  EXPECT_EQ(row.Int(0), std::int64_t{1} << 40);
  EXPECT_EQ(row.Double(1), 0.1);
  EXPECT_EQ(row.Text(2), bytes);
  EXPECT_EQ(row.Text(3), "");
  EXPECT_FALSE(row.IsNull(3));
  EXPECT_TRUE(row.IsNull(4));
  EXPECT_FALSE(*row.Step());
}

TEST(Database, RunWith_StoresWhatBindingAndRunningDoes) {
  Database db = Memory();
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a, b, c, d)").ok());
  const auto insert = [&](std::int64_t a, const std::string& c) {
    return db.Prepare("INSERT INTO t VALUES (?,?,?,?)")
        .RunWith(a, 0.5, c + "!", std::string_view());
  };
  ASSERT_TRUE(insert(1, std::string("x\0y", 3)).ok());
  ASSERT_TRUE(insert(2, std::string(10'000, 'z')).ok());
  auto rows = db.Prepare("SELECT a, b, c, d FROM t ORDER BY a");
  ASSERT_TRUE(*rows.Step());
  EXPECT_EQ(rows.Int(0), 1);
  EXPECT_EQ(rows.Double(1), 0.5);
  EXPECT_EQ(rows.Text(2), std::string("x\0y!", 4));
  EXPECT_EQ(rows.Text(3), "");
  EXPECT_FALSE(rows.IsNull(3));
  ASSERT_TRUE(*rows.Step());
  EXPECT_EQ(rows.Text(2), std::string(10'000, 'z') + "!");
}

TEST(Database, PrepareOnce_AnswersMistakesAndLetsGo) {
  Database db = *Database::Open(":memory:");
  EXPECT_FALSE(db.PrepareOnce("SELECT nothing FROM nowhere").ok());
  auto first = db.PrepareOnce("SELECT 1");
  auto second = db.PrepareOnce("SELECT 1");  // its own, though the first is in use
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(*first->Step());
  EXPECT_TRUE(*second->Step());
}

TEST(Database, Transact_AnError_UndoesEverything) {
  Database db = Memory();
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a UNIQUE)").ok());
  const Status status = db.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(db.Execute("INSERT INTO t VALUES (1)"));
    return db.Execute("INSERT INTO t VALUES (1)");
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kAlreadyExists);
  auto count = db.Prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.Step());
  EXPECT_EQ(count.Int(0), 0);
}

TEST(Database, Migrate_GoesOnWhereItStood_AndRefusesTheFuture) {
  Database db = Memory();
  ASSERT_TRUE(db.Migrate({"CREATE TABLE a(x)"}).ok());
  ASSERT_TRUE(db.Migrate({"CREATE TABLE a(x)", "CREATE TABLE b(x)"}).ok());
  EXPECT_TRUE(db.Execute("INSERT INTO b VALUES (1)").ok());
  const Status newer = db.Migrate({"CREATE TABLE a(x)"});
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().kind, ErrorKind::kUnsupported);
  // A step that fails leaves the version where it was.
  EXPECT_FALSE(db.Migrate({"", "", "CREATE TABLE a(x)"}).ok());
  EXPECT_TRUE(db.Migrate({"", "", "CREATE TABLE c(x)"}).ok());
}

Status MoveHalf(Database& db) {
  // Ends after its first commit, once.
  MUSTER_RETURN_IF_ERROR(
      db.Execute("INSERT INTO b SELECT x FROM a WHERE x NOT IN (SELECT x FROM b) LIMIT 1"));
  auto left = db.Prepare("SELECT count(*) FROM a WHERE x NOT IN (SELECT x FROM b)");
  MUSTER_RETURN_IF_ERROR(left.Step());
  return left.Int(0) == 0 ? Ok() : Status(ResourceExhausted("not yet"));
}

TEST(Database, Migrate_AFunctionThatFails_IsCalledAgainOnWhatItLeft) {
  Database db = Memory();
  const std::vector<Migration> steps = {"CREATE TABLE a(x); INSERT INTO a VALUES (1), (2)",
                                        "CREATE TABLE b(x)", MoveHalf, "DROP TABLE a"};
  EXPECT_EQ(db.Migrate(steps).error().kind, ErrorKind::kResource);
  EXPECT_TRUE(db.Execute("SELECT x FROM a").ok());
  ASSERT_TRUE(db.Migrate(steps).ok());
  EXPECT_FALSE(db.Execute("SELECT x FROM a").ok());
  auto sum = db.Prepare("SELECT sum(x), count(*) FROM b");
  ASSERT_TRUE(*sum.Step());
  EXPECT_EQ(sum.Int(0), 3);
  EXPECT_EQ(sum.Int(1), 2);
}

TEST(Database, Migrate_AfterACrashWithALongLog_KeepsAllOfIt) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("muster-database-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  Database db = *Database::Open(folder / "live.db");
  ASSERT_TRUE(db.Execute("CREATE TABLE t(a)").ok());
  const std::string large(3 << 20, 'x');
  ASSERT_TRUE(db.Prepare("INSERT INTO t VALUES (?)").BindAll(large).Run().ok());
  for (const char* suffix : {"", "-wal"}) {  // as a process that was killed leaves them
    std::filesystem::copy_file(folder / ("live.db" + std::string(suffix)),
                               folder / ("left.db" + std::string(suffix)));
  }
  ASSERT_GT(std::filesystem::file_size(folder / "left.db-wal"), large.size());
  Database left = *Database::Open(folder / "left.db");
  const Status migrated = left.Migrate({});
  ASSERT_TRUE(migrated.ok()) << migrated.error().message;
  auto row = left.Prepare("SELECT length(a) FROM t");
  ASSERT_TRUE(*row.Step());
  EXPECT_EQ(row.Int(0), static_cast<std::int64_t>(large.size()));
  std::filesystem::remove_all(folder);
}

TEST(Database, AFileThatIsNoDatabase_IsCorrupt) {
  const auto file =
      std::filesystem::temp_directory_path() / ("no_database_" + std::to_string(::getpid()));
  std::ofstream(file) << std::string(4096, 'x');
  const auto db = Database::Open(file);
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.error().kind, ErrorKind::kCorrupt);
  std::filesystem::remove(file);
}

TEST(Database, AFolderThatIsMissing_IsNamed) {
  const auto db = Database::Open("/nonexistent/x.db");
  ASSERT_FALSE(db.ok());
  EXPECT_TRUE(db.error().message.starts_with("/nonexistent/x.db: cannot be opened"));
}

}  // namespace
}  // namespace muster::sqlite
