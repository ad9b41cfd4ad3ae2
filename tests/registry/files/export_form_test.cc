#include "registry/files/export_form.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "registry/files/tar_gz.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"

/// Archives are read back by tar itself.

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ExportForms : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(version_.directory / "weights");
    Put("model.onnx", std::string(1'000'003, 'x') + '\0');
    Put("MLmodel", "flavors: {}\n");
    Put("config.pbtxt", "name: \"digits\"\n");
    Put("weights/empty", "");
    Put("weights/record", std::string(512, 'r'));
  }
  void TearDown() override { fs::remove_all(home_); }

  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(WriteFileAtomically(version_.directory / name, bytes).ok());
  }
  Result<std::string> Export(const std::string& form, const fs::path& out) {
    return ExportVersion(*ExportFormFromName(form), version_, out);
  }
  /// Empty when the two folders hold the same.
  static std::string Difference(const fs::path& left, const fs::path& right) {
    std::string difference;
    for (const auto& [one, other] : {std::pair(left, right), std::pair(right, left)}) {
      for (const auto& entry : fs::recursive_directory_iterator(one)) {
        const auto name = entry.path().lexically_relative(one);
        const bool same = entry.is_directory()
                              ? fs::is_directory(other / name)
                              : fs::exists(other / name) &&
                                    *ReadWholeFile(entry.path()) == *ReadWholeFile(other / name);
        if (!same) difference += name.string() + " ";
      }
    }
    return difference;
  }

  fs::path home_ = fs::temp_directory_path() / ("muster-export-" + RandomHex(8));
  ExportedVersion version_{home_ / "published", "digits", 3};
};

TEST_F(ExportForms, Folders_HoldTheVersion) {
  for (const std::string form : {"dir", "mlflow", "azureml"}) {
    const auto how = Export(form, home_ / form);
    ASSERT_TRUE(how.ok()) << how.error().message;
    EXPECT_THAT(*how, HasSubstr((home_ / form).string()));
    EXPECT_EQ(Difference(version_.directory, home_ / form), "") << form;
  }
}

TEST_F(ExportForms, Repositories_HoldConfigAndVersion) {
  for (const std::string form : {"triton", "vertex"}) {
    ASSERT_TRUE(Export(form, home_ / form).ok());
    EXPECT_EQ(Difference(version_.directory, home_ / form / "digits/3"), "") << form;
    EXPECT_EQ(*ReadWholeFile(home_ / form / "digits/config.pbtxt"), "name: \"digits\"\n");
  }
}

TEST_F(ExportForms, Archive_IsReadByTarAndTheSameEveryTime) {
  const auto how = Export("sagemaker", home_ / "out");
  ASSERT_TRUE(how.ok()) << how.error().message;
  EXPECT_THAT(*how, HasSubstr("aws s3 cp " + (home_ / "out/model.tar.gz").string() + " s3://"));
  fs::last_write_time(version_.directory / "MLmodel", fs::file_time_type::clock::now());
  ASSERT_TRUE(Export("sagemaker", home_ / "second.tar.gz").ok());
  EXPECT_EQ(*ReadWholeFile(home_ / "out/model.tar.gz"), *ReadWholeFile(home_ / "second.tar.gz"));
  fs::create_directories(home_ / "unpacked");
  const std::string command = "tar -xzf " + (home_ / "out/model.tar.gz").string() + " -C " +
                              (home_ / "unpacked").string() + " --no-same-owner";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(bugprone-command-processor)
  EXPECT_EQ(Difference(version_.directory, home_ / "unpacked"), "");
}

TEST_F(ExportForms, WhatCannotBe_IsRefused) {
  EXPECT_THAT(ExportFormFromName("vertx").error().message, HasSubstr("dir, mlflow, azureml"));
  ASSERT_TRUE(Export("dir", home_ / "out").ok());
  EXPECT_EQ(Export("dir", home_ / "out").error().kind, ErrorKind::kAlreadyExists);
  fs::remove(version_.directory / "config.pbtxt");
  EXPECT_THAT(Export("triton", home_ / "triton").error().message, HasSubstr("no config.pbtxt"));
  EXPECT_FALSE(fs::exists(home_ / "triton"));
  const auto nowhere = Export("sagemaker", home_ / "nowhere/a.tar.gz");
  EXPECT_THAT(nowhere.error().message, HasSubstr("nowhere/a.tar.gz.part: No such file"));
  Put(std::string(101, 'n'), "");
  EXPECT_EQ(Export("sagemaker", home_ / "a.tar.gz").error().kind, ErrorKind::kUnsupported);
  fs::remove(version_.directory / std::string(101, 'n'));
  fs::create_symlink("/etc/hostname", version_.directory / "aside");
  EXPECT_EQ(Export("sagemaker", home_ / "a.tar.gz").error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(fs::exists(home_ / "a.tar.gz"));
}

}  // namespace
}  // namespace muster::registry
