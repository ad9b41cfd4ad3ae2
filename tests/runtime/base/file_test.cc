#include "runtime/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/sync_calls.h"

namespace muster {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() {
    char name[] = "/tmp/muster_file_XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FileTest, Write_ThenRead_GivesTheBytesAndTheMode) {
  const std::string bytes("a\0b\xff", 4);
  ASSERT_TRUE(WriteFileAtomically(folder_ / "f", "old bytes, longer than the new ones", 0644).ok());
  ASSERT_TRUE(WriteFileAtomically(folder_ / "f", bytes, 0600).ok());
  EXPECT_EQ(*ReadWholeFile(folder_ / "f"), bytes);
  struct stat status{};
  ASSERT_EQ(stat((folder_ / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "f.tmp"));
}

TEST_F(FileTest, Replace_ThenRead_GivesTheNewBytesAlone) {
  ASSERT_TRUE(ReplaceFile(folder_ / "a", "the first, longer one").ok());
  ASSERT_TRUE(ReplaceFile(folder_ / "a", "second", 0600).ok());
  EXPECT_EQ(ReadWholeFile(folder_ / "a").value(), "second");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.tmp"));
}

TEST_F(FileTest, Read_OfNothing_IsNotFoundAndNamesThePath) {
  const auto answer = ReadWholeFile(folder_ / "absent");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(answer.error().message.find("absent"), std::string::npos);
}

TEST_F(FileTest, Read_BeyondTheBound_IsRefused) {
  ASSERT_TRUE(WriteFileAtomically(folder_ / "f", "12345").ok());
  EXPECT_EQ(ReadWholeFile(folder_ / "f", 4).error().kind, ErrorKind::kResource);
  EXPECT_TRUE(ReadWholeFile(folder_ / "f", 5).ok());
}

TEST_F(FileTest, MakeFolders_ThenWrite_SurvivesAPowerLoss) {
  const test::SyncCalls calls;
  ASSERT_TRUE(MakeFolders(folder_ / "a/b/c").ok());
  ASSERT_TRUE(WriteFileAtomically(folder_ / "a/b/c/f", "x").ok());
  EXPECT_EQ(calls.Undurable(folder_ / "a"), std::vector<std::string>{});
  ASSERT_TRUE(ReplaceFile(folder_ / "a/b/c/g", "x").ok());
  EXPECT_EQ(calls.Undurable(folder_ / "a").size(), 2U) << "neither bytes nor name";
}

TEST_F(FileTest, MakeFolders_OnWhatIsThere) {
  EXPECT_TRUE(MakeFolders(folder_).ok());
  EXPECT_TRUE(MakeFolders(folder_ / "a/").ok());
  EXPECT_TRUE(MakeFolders(folder_ / "a/../b/./c/").ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder_ / "b/c"));
  ASSERT_TRUE(ReplaceFile(folder_ / "f", "x").ok());
  for (const char* path : {"f", "f/g", "f/g/h"}) {
    const Status made = MakeFolders(folder_ / path);
    ASSERT_FALSE(made.ok()) << path;
    EXPECT_EQ(made.error().kind, ErrorKind::kInvalid) << made.error().message;
  }
}

TEST_F(FileTest, Sync_OfAFolderWhereThatIsNotKnown_IsDone_AndOtherErrorsAreTold) {
  const test::SyncCalls calls;
  for (const int unknown : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    calls.FailOnFolders(unknown);
    EXPECT_TRUE(WriteFileAtomically(folder_ / "f", "x").ok()) << unknown;
  }
  calls.FailOnFolders(EIO);
  EXPECT_EQ(WriteFileAtomically(folder_ / "f", "x").error().kind, ErrorKind::kIo);
  calls.FailOnFolders(EDQUOT);
  EXPECT_EQ(WriteFileAtomically(folder_ / "f", "x").error().kind, ErrorKind::kResource);
}

TEST_F(FileTest, Write_IntoNoFolder_IsAnError) {
  EXPECT_FALSE(WriteFileAtomically(folder_ / "no" / "f", "x").ok());
}

}  // namespace
}  // namespace muster
