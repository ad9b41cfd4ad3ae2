#include "registry/serve/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/tiny_onnx.h"

namespace muster::registry::serve {
namespace {

class DirectorySourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ("source-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_ / "digits");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Put(const std::string& where) {
    muster::testing::LinearModel({1}).Write(folder_ / where / "model.onnx");
  }
  std::filesystem::path folder_;
};

TEST_F(DirectorySourceTest, Current_TritonLayout_HighestVersionThatIsThere) {
  DirectorySource source(folder_ / "digits");
  EXPECT_EQ(source.Current().error().kind, ErrorKind::kNotFound);
  Put("digits/2");
  Put("digits/10");
  Put("digits/tmp-11");
  std::filesystem::create_directories(folder_ / "digits/12");  // not yet whole
  const ModelLocation wanted{"digits", 10, std::filesystem::canonical(folder_) / "digits/10"};
  ASSERT_TRUE(source.Current().ok());
  EXPECT_EQ(*source.Current(), wanted);
}

TEST_F(DirectorySourceTest, Current_ModelFileItself_NamesFromTheFolders) {
  Put("digits/3");
  EXPECT_EQ(DirectorySource(folder_ / "digits/3/").Current()->name, "digits");
  EXPECT_EQ(DirectorySource(folder_ / "digits/3").Current()->version, 3);
  Put("plain");
  EXPECT_EQ(DirectorySource(folder_ / "plain").Current()->name, "plain");
  EXPECT_EQ(DirectorySource(folder_ / "plain", "other").Current()->name, "other");
  EXPECT_EQ(DirectorySource(folder_ / "plain").Current()->version, 1);
}

TEST_F(DirectorySourceTest, Current_NoDirectory_NamesIt) {
  const auto none = DirectorySource(folder_ / "absent").Current();
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, ::testing::HasSubstr("absent"));
}

}  // namespace
}  // namespace muster::registry::serve
