#include "registry/serve/model_repository.h"

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

TEST_F(DirectorySourceTest, Current_OnlyFolderAroundAModel) {
  Put("digits/fraud/3");
  EXPECT_EQ(
      DirectorySource(folder_ / "digits").Current().value(),
      (ModelLocation{"fraud", 3, std::filesystem::weakly_canonical(folder_ / "digits/fraud/3")}));
  Put("digits/other");
  EXPECT_EQ(DirectorySource(folder_ / "digits").Current().error().kind, ErrorKind::kNotFound);
}

TEST_F(DirectorySourceTest, Repository_NamesAndLatest) {
  Put("digits/1");
  Put("digits/12");
  Put("fraud/1");
  std::filesystem::create_directories(folder_ / ".git/1");
  const ModelRepository repository(folder_);
  EXPECT_THAT(repository.Names().value(), ::testing::ElementsAre("digits", "fraud"));
  EXPECT_EQ(repository.Latest("digits")->version, 12);
  EXPECT_TRUE(repository.Has("fraud"));
  EXPECT_EQ(repository.Latest("none").error().kind, ErrorKind::kNotFound);
  using namespace std::string_literals;
  for (const std::string& name :
       {""s, "."s, ".."s, "../x"s, "fraud/1"s, ".git"s, "a\\b"s, "fraud\0"s}) {
    EXPECT_EQ(repository.Latest(name).error().kind, ErrorKind::kInvalid) << name;
    EXPECT_FALSE(repository.Has(name)) << name;
  }
}

TEST_F(DirectorySourceTest, Repository_AtAPathBelowItAlone) {
  Put("models/7f3a/model");
  Put("elsewhere");
  const ModelRepository repository(folder_ / "models");
  EXPECT_EQ(repository.At("m", folder_ / "models/7f3a/model")->name, "m");
  std::filesystem::create_directory_symlink(folder_ / "elsewhere", folder_ / "models/link");
  for (const auto* outside : {"elsewhere", "models/../elsewhere", "models/link", "models-2"}) {
    EXPECT_EQ(repository.At("m", folder_ / outside).error().kind, ErrorKind::kUnauthorized)
        << outside;
  }
}

}  // namespace
}  // namespace muster::registry::serve
