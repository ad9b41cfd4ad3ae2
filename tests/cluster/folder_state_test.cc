#include "cluster/local/folder_state.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "runtime/base/sha256.h"
#include "tests/support/sync_calls.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;
using Texts = std::map<std::string, std::string>;  ///< by path

class FolderStateTest : public testing::Test {
 protected:
  FolderStateTest()
      : root_(fs::temp_directory_path() / ("muster-state-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(objects());
  }
  ~FolderStateTest() override { fs::remove_all(root_); }
  [[nodiscard]] fs::path folder() const { return root_ / "s/0"; }
  [[nodiscard]] fs::path objects() const { return root_ / "objects"; }

  static FileSet SetOf(const Texts& texts) {
    FileSet files;
    for (const auto& [path, text] : texts) {
      files.push_back({path, static_cast<std::int64_t>(text.size()), Sha256Hex(text)});
    }
    return files;
  }
  void Send(const Texts& texts) const {
    for (const auto& [path, text] : texts) std::ofstream(objects() / Sha256Hex(text)) << text;
  }
  Status Become(const Texts& texts) const {
    return BecomeFileSet(folder(), SetOf(texts), objects());
  }
  [[nodiscard]] Texts Held() const {
    Texts texts;
    if (!fs::exists(folder())) return texts;
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      if (entry.is_directory()) continue;
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      texts[entry.path().lexically_relative(folder()).string()] = text.str();
    }
    return texts;
  }
  /// What lies beside the folder.
  [[nodiscard]] std::vector<std::string> Beside() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder().parent_path()))
      names.push_back(entry.path().filename().string());
    return names;
  }

  fs::path root_;
  const Texts old_{{"manifest", "1"}, {"step-1", "one"}, {"deep/a", "same"}};
  const Texts new_{{"manifest", "2"}, {"step-2", "two"}, {"deep/a", "same"}, {"deep/b", "same"}};
};

TEST_F(FolderStateTest, AFolder_BecomesWhatIsWanted_AndSurvivesAPowerLoss) {
  const test::SyncCalls calls;
  for (const Texts& texts : {old_, new_, Texts{}, old_}) {
    Send(texts);
    const Status became = Become(texts);
    ASSERT_TRUE(became.ok()) << became.error().message;
    EXPECT_EQ(Held(), texts);
    EXPECT_THAT(Beside(), testing::ElementsAre("0"));
    EXPECT_THAT(calls.Undurable(root_ / "s"), testing::IsEmpty());
    const auto read = ReadFileSet(folder());
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, SetOf(texts));
  }
}

TEST_F(FolderStateTest, FilesOfTheSameBytes_AreNotOneFile) {
  Send(new_);
  ASSERT_TRUE(Become(new_).ok());
  std::ofstream(folder() / "deep/a") << "other";
  EXPECT_EQ(Held().at("deep/b"), "same");
  EXPECT_TRUE(fs::is_empty(objects()));
}

TEST_F(FolderStateTest, BytesThatNobodySent_LeaveTheFolderAsItIs) {
  Send(old_);
  ASSERT_TRUE(Become(old_).ok());
  Send({{"manifest", "2"}});
  const Status became = Become(new_);
  ASSERT_FALSE(became.ok());
  EXPECT_EQ(became.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(became.error().message, testing::HasSubstr("step-2: its bytes"));
  EXPECT_EQ(Held(), old_);
  EXPECT_THAT(Beside(), testing::ElementsAre("0"));
  // What had come is not sent again.
  Send({{"step-2", "two"}});
  EXPECT_TRUE(Become(new_).ok());
  EXPECT_EQ(Held(), new_);
}

TEST_F(FolderStateTest, WhoMayNotAnyMore_ChangesNothing) {
  Send(old_);
  ASSERT_TRUE(Become(old_).ok());
  Send(new_);
  const Status refused =
      BecomeFileSet(folder(), SetOf(new_), objects(), [] { return Status(Fenced("over")); });
  EXPECT_EQ(refused.error().kind, ErrorKind::kFenced);
  EXPECT_EQ(Held(), old_);
  EXPECT_THAT(Beside(), testing::ElementsAre("0"));
  EXPECT_TRUE(Become(new_).ok()) << "what had come is there still";
}

TEST_F(FolderStateTest, DigestsAreKept_UntilAFileIsWritten) {
  Send(old_);
  ASSERT_TRUE(Become(old_).ok());
  DigestCache cache;
  const fs::path file = folder() / "manifest";
  cache.Note(file, "noted");
  EXPECT_EQ(*cache.Of(file), "noted");
  fs::rename(file, folder() / "moved");
  EXPECT_EQ(*cache.Of(folder() / "moved"), "noted");
  std::ofstream(folder() / "moved") << "other bytes";
  EXPECT_EQ(*cache.Of(folder() / "moved"), Sha256Hex("other bytes"));
  // Just written: not kept, for it may be written again within a tick.
  std::ofstream(folder() / "moved") << "OTHER bytes";
  EXPECT_EQ(*cache.Of(folder() / "moved"), Sha256Hex("OTHER bytes"));
  fs::last_write_time(folder() / "moved", fs::file_time_type::clock::now() - std::chrono::hours(1));
  const auto read = ReadFileSet(folder(), &cache);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->size(), 3);
  EXPECT_FALSE(cache.Of(folder() / "none").ok());
}

TEST_F(FolderStateTest, PathsThatLeadOut_AreRefused) {
  EXPECT_EQ(Become({{"../x", "1"}}).error().kind, ErrorKind::kInvalid);
  Send(old_);
  ASSERT_TRUE(Become(old_).ok());
  fs::create_symlink("/etc/passwd", folder() / "link");
  EXPECT_EQ(ReadFileSet(folder()).error().kind, ErrorKind::kInvalid);
}

/// In a child that dies at each of its syncs in turn.
TEST_F(FolderStateTest, KilledAtAnyMoment_ItIsTheOldOrTheNew) {
  int both = 0;
  for (int at = 1;; ++at) {
    fs::remove_all(root_ / "s");
    Send(old_);
    ASSERT_TRUE(Become(old_).ok());
    Send(new_);
    const pid_t child = fork();
    if (child == 0) {
      const test::SyncCalls calls;
      test::SyncCalls::DieAt(at);
      _exit(Become(new_).ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 1);
    ASSERT_TRUE(Recover(folder()).ok());
    const Texts held = Held();
    EXPECT_TRUE(held == old_ || held == new_) << "killed at sync " << at;
    both |= held == old_ ? 1 : 2;
    Send(new_);
    EXPECT_TRUE(Become(new_).ok());
    EXPECT_EQ(Held(), new_) << at;
    EXPECT_THAT(Beside(), testing::ElementsAre("0")) << at;
    if (WEXITSTATUS(status) == 0) {
      EXPECT_GE(at, 6) << "it died at many places";
      break;
    }
  }
  EXPECT_EQ(both, 3) << "before and after the exchange";
}

/// A file system that cannot exchange: as left by a kill between its two renames.
TEST_F(FolderStateTest, KilledBetweenTwoRenames_TheFolderComesBack) {
  Send(old_);
  ASSERT_TRUE(Become(old_).ok());
  fs::rename(folder(), folder().string() + ".last");
  fs::create_directories(folder().string() + ".next");
  ASSERT_TRUE(Recover(folder()).ok());
  EXPECT_EQ(Held(), old_);
  Send(new_);
  ASSERT_TRUE(Become(new_).ok());
  EXPECT_EQ(Held(), new_);
  EXPECT_THAT(Beside(), testing::ElementsAre("0"));
}

}  // namespace
}  // namespace muster::cluster::local
