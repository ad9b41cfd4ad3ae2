#include "cluster/local/spare_folders.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

class SpareFoldersTest : public testing::Test {
 protected:
  SpareFoldersTest() {
    char name[] = "/tmp/muster_spare_XXXXXX";
    parent_ = mkdtemp(name);
  }
  ~SpareFoldersTest() override { fs::remove_all(parent_); }

  AttemptFolder Make(std::int64_t epoch) {
    AttemptFolder folder(parent_ / std::to_string(epoch), "spares");
    EXPECT_TRUE(spares_.Make(folder, {.epoch = AttemptEpoch(epoch)}).ok());
    EXPECT_EQ(folder.ReadPrepare()->epoch, AttemptEpoch(epoch));
    return folder;
  }
  static ino_t Inode(const fs::path& path) {
    struct stat found{};
    return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
  }

  fs::path parent_;
  SpareFolders spares_{parent_};
};

TEST_F(SpareFoldersTest, TakenFolder_IsUsedAgainWithEmptyOutputs) {
  const auto first = Make(7);
  ASSERT_TRUE(ReplaceFile(first.output(0, "out"), "words").ok());
  ASSERT_TRUE(ReplaceFile(first.records(), "a record\n").ok());
  fs::create_directory(first.work());
  const ino_t folder = Inode(first.path());
  const ino_t output = Inode(first.output(0, "out"));
  ASSERT_TRUE(spares_.Take(first).ok());
  EXPECT_FALSE(fs::exists(first.path()));
  const auto second = Make(8);
  EXPECT_EQ(Inode(second.path()), folder);
  EXPECT_EQ(Inode(second.output(0, "out")), output);
  EXPECT_EQ(fs::file_size(second.output(0, "out")), 0U);
  EXPECT_EQ(fs::file_size(second.records()), 0U);
  EXPECT_TRUE(fs::is_empty(second.work()));
}

TEST_F(SpareFoldersTest, WhatIsNotOfEveryAttempt_IsDeleted) {
  const auto first = Make(7);
  for (const char* name : {"hang.txt", "end.json", "rank0.exit", "state.json"})
    ASSERT_TRUE(ReplaceFile(first.path() / name, "old").ok());
  fs::create_directories(first.work() / "deep");
  ASSERT_TRUE(spares_.Take(first).ok());
  const auto second = Make(8);
  for (const auto& entry : fs::directory_iterator(second.path()))
    EXPECT_EQ(entry.path().filename(), "prepare.json");
}

TEST_F(SpareFoldersTest, OutputThatSomebodyKeptOrStillWrites_IsLeftToThem) {
  const auto first = Make(7);
  const fs::path kept = parent_ / "kept";
  const fs::path linked = parent_ / "linked";
  ASSERT_TRUE(ReplaceFile(first.output(0, "out"), "of value").ok());
  ASSERT_TRUE(ReplaceFile(first.output(1, "out"), "still open").ok());
  ASSERT_TRUE(ReplaceFile(linked, "elsewhere").ok());
  fs::create_hard_link(first.output(0, "out"), kept);
  fs::create_symlink(linked, first.output(0, "err"));
  const int writer = open(first.output(1, "out").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_TRUE(spares_.Take(first).ok());
  const auto second = Make(8);
  EXPECT_EQ(write(writer, "late", 4), 4);
  close(writer);
  EXPECT_EQ(*ReadWholeFile(kept), "of value");
  EXPECT_EQ(*ReadWholeFile(linked), "elsewhere");
  for (const auto& file :
       {second.output(0, "out"), second.output(1, "out"), second.output(0, "err")})
    EXPECT_FALSE(fs::exists(file)) << file;
}

TEST_F(SpareFoldersTest, FolderThatIsThereAlready_IsNotTouched) {
  const auto first = Make(7);
  const Status made = spares_.Make(first, {.epoch = AttemptEpoch(7), .trial = TrialId("other")});
  EXPECT_EQ(made.error().kind, ErrorKind::kIo);
  EXPECT_EQ(first.ReadPrepare()->trial, TrialId());
  for (const auto& entry : fs::directory_iterator(parent_))
    EXPECT_FALSE(SpareFolders::IsSpare(entry.path())) << entry.path();
}

TEST_F(SpareFoldersTest, FolderThatIsGone_IsTakenAwayAlready) {
  EXPECT_TRUE(spares_.Take(AttemptFolder(parent_ / "7", "spares")).ok());
}

TEST_F(SpareFoldersTest, Delete_LeavesNone) {
  ASSERT_TRUE(spares_.Take(Make(7)).ok());
  spares_.Delete();
  EXPECT_TRUE(fs::is_empty(parent_));
}

}  // namespace
}  // namespace muster::cluster::local
