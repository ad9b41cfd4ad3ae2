#include "registry/files/onnx_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr OnnxFileOptions kApart{.inline_bytes_max = 0};

onnx::Model Weighing(char byte) {
  onnx::Model model{.graph = {.name = "g"}};
  model.graph.initializers = {{"w", onnx::DataType::kUint8, {2000}, std::string(2000, byte)}};
  return model;
}

class OnnxFile : public ::testing::Test {
 protected:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  OnnxFile() { fs::create_directory(folder_); }
  ~OnnxFile() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("muster-onnx-" + RandomHex(8));
  fs::path path_ = folder_ / "model.onnx";
};

TEST_F(OnnxFile, Write_InOneFileOrTwo_ReadsBackTheSame) {
  ASSERT_TRUE(WriteOnnxFile(Weighing('a'), path_, kApart).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"model.onnx", "model.onnx.data"}));
  EXPECT_LT(fs::file_size(path_), 200u);
  auto read = ReadOnnxFile(path_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, Weighing('a'));
  ASSERT_TRUE(WriteOnnxFile(Weighing('b'), path_, kApart).ok());
  EXPECT_EQ(*ReadOnnxFile(path_), Weighing('b'));
  EXPECT_EQ(*read, Weighing('a')) << "what was read does not follow the file";

  ASSERT_TRUE(WriteOnnxFile(Weighing('c'), path_).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"model.onnx"}));
  EXPECT_EQ(*ReadOnnxFile(path_), Weighing('c'));
}

TEST_F(OnnxFile, Read_WeightsThatAreNotThere_NamesTheFile) {
  ASSERT_TRUE(WriteOnnxFile(Weighing('a'), path_, kApart).ok());
  const fs::path weights = folder_ / "model.onnx.data";
  fs::resize_file(weights, 1999);
  EXPECT_THAT(ReadOnnxFile(path_).error().message,
              HasSubstr("its shape wants 2000, the file has 1999"));
  fs::rename(weights, folder_ / "elsewhere");
  EXPECT_EQ(ReadOnnxFile(path_).error().kind, ErrorKind::kNotFound);
  fs::create_symlink(folder_ / "elsewhere", weights);
  EXPECT_THAT(ReadOnnxFile(path_).error().message, HasSubstr("is not a plain file"));
}

TEST_F(OnnxFile, Write_WithoutAFolder_LeavesNothing) {
  const Status status = WriteOnnxFile(Weighing('a'), folder_ / "none" / "model.onnx", kApart);
  EXPECT_THAT(status.error().message, HasSubstr("none/model.onnx.tmp"));
  EXPECT_TRUE(Names().empty());
}

TEST_F(OnnxFile, Write_WeightFileThatCannotBe_KeepsTheOldModel) {
  ASSERT_TRUE(WriteOnnxFile(Weighing('a'), path_).ok());
  fs::create_directory(folder_ / "model.onnx.data.tmp");
  EXPECT_FALSE(WriteOnnxFile(Weighing('b'), path_, kApart).ok());
  EXPECT_EQ(*ReadOnnxFile(path_), Weighing('a'));
  EXPECT_EQ(Names(), (std::vector<std::string>{"model.onnx", "model.onnx.data.tmp"}));
}

}  // namespace
}  // namespace muster::registry
