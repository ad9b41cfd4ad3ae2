#include "runtime/sqlite/group_commit.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>
#include <vector>

namespace muster::sqlite {
namespace {

class GroupCommitTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("group_commit_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    Database db = Open();
    ASSERT_TRUE(db.Execute("CREATE TABLE t(a INTEGER UNIQUE)").ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Database Open() { return *Database::Open(folder_ / "t.db"); }
  static GroupCommit::Work Insert(std::int64_t value) {
    return [value](Database& db) {
      return db.Prepare("INSERT INTO t VALUES (?)").Bind(0, value).Run();
    };
  }
  std::int64_t Count() {
    Database db = Open();
    auto count = db.Prepare("SELECT count(*) FROM t");
    return *count.Step() ? count.Int(0) : -1;
  }

  std::filesystem::path folder_;
};

TEST_F(GroupCommitTest, ManyWriters_AllAcknowledgedOnce) {
  std::atomic<int> acknowledged = 0;
  {
    GroupCommit commit(Open());
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 8; ++writer) {
      writers.emplace_back([&, writer] {
        for (int i = 0; i < 50; ++i) {
          commit.Write(Insert(writer * 1000 + i),
                       [&](const Status& status) { acknowledged += status.ok() ? 1 : 0; });
        }
      });
    }
  }
  EXPECT_EQ(acknowledged, 400);
  EXPECT_EQ(Count(), 400);
}

TEST_F(GroupCommitTest, AFailedWrite_LeavesItsNeighbours) {
  GroupCommit commit(Open());
  ASSERT_TRUE(commit.WriteAndWait(Insert(1)).ok());
  std::atomic<int> failed = 0;
  // The second inserts 2 and then 1 again: both of its rows must go.
  commit.Write(Insert(3), [](const Status&) {});
  commit.Write(
      [](Database& db) -> Status {
        MUSTER_RETURN_IF_ERROR(Insert(2)(db));
        return Insert(1)(db);
      },
      [&](const Status& status) { failed += status.ok() ? 0 : 1; });
  ASSERT_TRUE(commit.WriteAndWait(Insert(4)).ok());
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(Count(), 3);
}

TEST_F(GroupCommitTest, SqliteUndidTheGroup_TheReasonIsAnswered) {
  GroupCommit commit(Open());
  const Status full = commit.WriteAndWait([](Database& db) -> Status {
    // What SQLite does by itself when the disk is full.
    MUSTER_RETURN_IF_ERROR(db.Execute("ROLLBACK"));
    return ResourceExhausted("the disk is full");
  });
  EXPECT_EQ(full.error(), ResourceExhausted("the disk is full"));
  EXPECT_TRUE(commit.WriteAndWait(Insert(1)).ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(GroupCommitTest, AWriteFromACallback_IsTaken) {
  GroupCommit commit(Open(), 1);
  std::promise<Status> second;
  commit.Write(Insert(1), [&](const Status&) {
    commit.Write(Insert(2), [&](Status status) { second.set_value(std::move(status)); });
  });
  EXPECT_TRUE(second.get_future().get().ok());
  EXPECT_EQ(Count(), 2);
}

}  // namespace
}  // namespace muster::sqlite
