#include "runtime/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

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

TEST_F(FileTest, Write_IntoNoFolder_IsAnError) {
  EXPECT_FALSE(WriteFileAtomically(folder_ / "no" / "f", "x").ok());
}

}  // namespace
}  // namespace muster
