#include "cluster/local/checkpoint_copies.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "runtime/wire/trial_record.h"
#include "tests/support/sync_calls.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

class CheckpointCopiesTest : public testing::Test {
 protected:
  CheckpointCopiesTest()
      : root_(fs::temp_directory_path() / ("muster-copies-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "s/0");
    prepare_.epoch = AttemptEpoch{5};
    prepare_.trial = TrialId("s/0");
    prepare_.checkpoint_dir = root_ / "s/0";
    prepare_.keep_dir = root_ / "s/0.at";
    prepare_.keep_every = 3;
  }
  ~CheckpointCopiesTest() override { fs::remove_all(root_); }

  void Write(const fs::path& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  [[nodiscard]] std::string Read(const fs::path& file) const {
    std::ostringstream text;
    text << std::ifstream(root_ / file).rdbuf();
    return text.str();
  }
  /// The checkpoint of `step` is in the folder, and its record comes by. Whether it says that there is a copy.
  bool Publish(CheckpointKeeper& keeper, std::int64_t step) const {
    Write("s/0/deep/weights", std::to_string(step));
    const wire::TrialRecord record{.type = wire::RecordType::kCheckpoint, .step = step};
    const auto marked = wire::DecodeRecord(keeper.Marked(wire::EncodeRecord(record)));
    return marked.ok() && marked->kept == true;
  }

  fs::path root_;
  wire::Prepare prepare_;
};

TEST_F(CheckpointCopiesTest, Copies_SurviveAPowerLoss) {
  const test::SyncCalls calls;
  CheckpointKeeper keeper(prepare_);
  ASSERT_TRUE(Publish(keeper, 4));
  EXPECT_EQ(calls.Undurable(root_ / "s/0.at"), std::vector<std::string>{});
  prepare_.trial = TrialId("t/1");
  prepare_.start_from = root_ / "s/0.at/4.a-5";
  prepare_.checkpoint_dir = root_ / "t/1";
  ASSERT_TRUE(CopyStart(prepare_).ok());
  EXPECT_EQ(Read("t/1/deep/weights"), "4");
  EXPECT_EQ(calls.Undurable(root_ / "t"), std::vector<std::string>{});
}

TEST_F(CheckpointCopiesTest, TheFirstCheckpointOfEachInterval_IsCopiedBeforeItsRecordGoesOn) {
  CheckpointKeeper keeper(prepare_);
  EXPECT_FALSE(Publish(keeper, 2));
  EXPECT_TRUE(Publish(keeper, 4));
  EXPECT_FALSE(Publish(keeper, 5));
  EXPECT_TRUE(Publish(keeper, 12));
  EXPECT_EQ(Read("s/0.at/4.a-5/deep/weights"), "4");
  EXPECT_EQ(Read("s/0.at/12.a-5/deep/weights"), "12");
  EXPECT_FALSE(fs::exists(root_ / "s/0.at/5.a-5"));
}

TEST_F(CheckpointCopiesTest, WhatADeadShimLeftIsBegunAnew) {
  Write("s/0.at/3.a-5.partial/deep/weights", "half of it");
  Write("s/0.at/3.a-5.partial/other", "stale");
  CheckpointKeeper keeper(prepare_);
  EXPECT_TRUE(Publish(keeper, 3));
  EXPECT_EQ(Read("s/0.at/3.a-5/deep/weights"), "3");
  EXPECT_FALSE(fs::exists(root_ / "s/0.at/3.a-5/other"));
  EXPECT_FALSE(fs::exists(root_ / "s/0.at/3.a-5.partial"));
}

TEST_F(CheckpointCopiesTest, NoRoomForACopy_IsNoCopy_AndTheNextOneIsTried) {
  Write("s/0.at", "a file in the way");
  CheckpointKeeper keeper(prepare_);
  EXPECT_FALSE(Publish(keeper, 3));
  fs::remove(root_ / "s/0.at");
  EXPECT_TRUE(Publish(keeper, 4));
}

TEST_F(CheckpointCopiesTest, OtherRecordsAndSweepsWithoutClones_PassUntouched) {
  CheckpointKeeper keeper(prepare_);
  EXPECT_EQ(keeper.Marked("no json"), "no json");
  const std::string metric = wire::EncodeRecord({.type = wire::RecordType::kMetric, .step = 3});
  EXPECT_EQ(keeper.Marked(metric), metric);
  prepare_.keep_every = 0;
  EXPECT_FALSE(CheckpointKeeper(prepare_).wanted());
}

TEST_F(CheckpointCopiesTest, AClonesEmptyFolderBecomesACopy_OnceAndOnTheFirstNodeOnly) {
  Write("s/0.at/6.a-2/weights", "6");
  prepare_.checkpoint_dir = root_ / "s/1";
  prepare_.start_from = root_ / "s/0.at/6.a-2";
  fs::create_directories(prepare_.checkpoint_dir);
  prepare_.node_rank = 1;
  ASSERT_TRUE(CopyStart(prepare_).ok());
  EXPECT_TRUE(fs::is_empty(prepare_.checkpoint_dir));
  prepare_.node_rank = 0;
  ASSERT_TRUE(CopyStart(prepare_).ok());
  EXPECT_EQ(Read("s/1/weights"), "6");
  Write("s/1/weights", "7, its own");
  ASSERT_TRUE(CopyStart(prepare_).ok());
  EXPECT_EQ(Read("s/1/weights"), "7, its own");
}

TEST_F(CheckpointCopiesTest, ADonorsFolderThatIsGone_IsAnErrorThatNamesIt) {
  prepare_.checkpoint_dir = root_ / "s/1";
  prepare_.start_from = root_ / "s/0.at/9.a-2";
  fs::create_directories(prepare_.checkpoint_dir);
  const Status status = CopyStart(prepare_);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("s/0.at/9.a-2"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(prepare_.checkpoint_dir));
}

}  // namespace
}  // namespace muster::cluster::local
