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
  GroupCommit commit(Open(), {.most_queued = 1});
  std::promise<Status> second;
  commit.Write(Insert(1), [&](const Status&) {
    commit.Write(Insert(2), [&](Status status) { second.set_value(std::move(status)); });
  });
  EXPECT_TRUE(second.get_future().get().ok());
  EXPECT_EQ(Count(), 2);
}

/// Holds the writer's thread until it is let go.
class Held {
 public:
  explicit Held(GroupCommit& commit) {
    commit.Write(
        [this](Database&) -> Status {
          begun_.set_value();
          go_.get_future().wait();
          return Ok();
        },
        [](const Status&) {}, 0);
    begun_.get_future().wait();
  }
  void LetGo() { go_.set_value(); }

 private:
  std::promise<void> begun_, go_;
};

TEST_F(GroupCommitTest, TooManyOrTooLargeWrites_AreRefusedAtOnce) {
  std::vector<ErrorKind> refused;
  std::atomic<int> stored = 0;
  {
    GroupCommit commit(Open(), {.most_queued = 3, .most_queued_bytes = 1'000});
    const auto write = [&](std::int64_t value, std::size_t bytes) {
      commit.Write(
          Insert(value),
          [&](const Status& status) {
            if (status.ok()) {
              ++stored;
            } else {
              refused.push_back(status.error().kind);
            }
          },
          bytes);
    };
    Held held(commit);
    write(1, 900);
    write(2, 200);  // beyond the bytes
    EXPECT_EQ(refused, std::vector(1, ErrorKind::kUnavailable));
    write(3, 50);
    write(4, 50);
    write(5, 0);  // the fourth
    EXPECT_EQ(refused, std::vector(2, ErrorKind::kUnavailable));
    held.LetGo();
  }
  EXPECT_EQ(stored, 3);
  EXPECT_EQ(Count(), 3);
}

TEST_F(GroupCommitTest, AWriteLargerThanTheBound_IsTakenWhenNothingWaits) {
  GroupCommit commit(Open(), {.most_queued_bytes = 10});
  ASSERT_TRUE(commit.WriteAndWait(Insert(1)).ok());
  EXPECT_EQ(Count(), 1);
}

TEST_F(GroupCommitTest, AGroupUndone_IsToldBeforeItsWriters) {
  std::vector<std::string> told;
  GroupCommit commit(Open(), {.undone = [&] { told.emplace_back("undone"); },
                              .committed = [&](Database&) { told.emplace_back("committed"); }});
  const auto write = [&](GroupCommit::Work work) {
    std::promise<void> done;
    commit.Write(std::move(work), [&](const Status& status) {
      told.emplace_back(status.ok() ? "ok" : "failed");
      done.set_value();
    });
    done.get_future().wait();
  };
  write([](Database& db) -> Status {
    MUSTER_RETURN_IF_ERROR(db.Execute("ROLLBACK"));
    return ResourceExhausted("the disk is full");
  });
  EXPECT_EQ(told, (std::vector<std::string>{"undone", "failed"}));
  told.clear();
  // Its own mistake undoes nobody else's.
  write([](Database&) -> Status { return Invalid("no"); });
  EXPECT_EQ(told.front(), "failed");
}

}  // namespace
}  // namespace muster::sqlite
