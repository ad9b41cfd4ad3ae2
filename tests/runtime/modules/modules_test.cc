#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "runtime/modules/engines.h"
#include "runtime/modules/hdf5.h"
#include "tests/support/tiny_onnx.h"

namespace muster::modules {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const fs::path kBuilt = MUSTER_TEST_MODULES;

class ModulesTest : public ::testing::Test {
 protected:
  ModulesTest() { fs::create_directories(folder_); }
  ~ModulesTest() override { fs::remove_all(folder_); }

  /// The error of reading a data file by the module in `folder`.
  static Error ReadError(const fs::path& folder) {
    const auto rows = OpenDatasetFile(folder, "/nowhere/rows.h5");
    return rows.ok() ? Internal("it was read") : rows.error();
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) /
                           ("modules-" + std::to_string(::getpid()) + "-" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ModulesTest, Load_MissingFile_NamesIt) {
  const Error error = ReadError(folder_);
  EXPECT_EQ(error.kind, ErrorKind::kIo);
  EXPECT_THAT(error.message, HasSubstr((folder_ / "muster-hdf5.so").string()));
}

TEST_F(ModulesTest, Load_FileThatIsNoLibrary_NamesIt) {
  std::ofstream(folder_ / "muster-hdf5.so") << "text";
  const Error error = ReadError(folder_);
  EXPECT_EQ(error.kind, ErrorKind::kIo);
  EXPECT_THAT(error.message, HasSubstr((folder_ / "muster-hdf5.so").string()));
}

TEST_F(ModulesTest, Load_LibraryWithoutTheTable_NamesBoth) {
  fs::create_symlink(kBuilt / "muster-hdf5.so", folder_ / "muster-openvino.so");
  const auto model = MakeOpenVinoEngine(folder_)->Load(folder_ / "model.onnx", 1);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kIo);
  EXPECT_THAT(model.error().message, HasSubstr((folder_ / "muster-openvino.so").string()));
  EXPECT_THAT(model.error().message, HasSubstr("muster_openvino"));
}

TEST_F(ModulesTest, Load_OtherVersion_NamesBoth) {
  const Error error = ReadError(MUSTER_TEST_OLD_MODULES);
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("is of muster 0.0.1, the program of "));
}

TEST_F(ModulesTest, Load_FileThatCameLater_IsFound) {
  EXPECT_EQ(ReadError(folder_).kind, ErrorKind::kIo);
  fs::create_symlink(kBuilt / "muster-hdf5.so", folder_ / "muster-hdf5.so");
  const Error error = ReadError(folder_);
  EXPECT_EQ(error.kind, ErrorKind::kNotFound);  // the module's own word about the data file
  EXPECT_THAT(error.message, HasSubstr("/nowhere/rows.h5"));
}

TEST_F(ModulesTest, ConvertCsv_ThenOpen_SameRows) {
  std::ofstream(folder_ / "t.csv") << "1,2,0\n3,4,1\n";
  const auto files = ConvertCsv(kBuilt, {.csv = folder_ / "t.csv",
                                         .out_dir = folder_,
                                         .name = "t",
                                         .output = {.splits = {{"all", 1.0}}}});
  ASSERT_TRUE(files.ok()) << files.error().message;
  ASSERT_EQ(files->files.size(), 1U);
  const auto rows = OpenDatasetFile(kBuilt, files->files.at(0).path);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ((*rows)->rows(), 2U);
  const auto inputs = trainer::FindField(**rows, "images");
  ASSERT_TRUE(inputs.ok()) << inputs.error().message;
  std::vector<float> values(4);
  const std::vector<std::uint64_t> both{0, 1};
  ASSERT_TRUE((*rows)->Read(*inputs, both, reinterpret_cast<std::byte*>(values.data())).ok());
  EXPECT_THAT(values, ::testing::UnorderedElementsAre(1, 2, 3, 4));
}

TEST_F(ModulesTest, Engine_MissingModule_LoadNamesIt) {
  const auto engine = MakeOpenVinoEngine(folder_);
  const auto model = engine->Load(folder_ / "model.onnx", 1);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, HasSubstr((folder_ / "muster-openvino.so").string()));
  EXPECT_EQ(engine->name(), "OpenVINO");
}

#ifdef MUSTER_TEST_OPENVINO
TEST_F(ModulesTest, Engine_FromModule_Infers) {
  testing::LinearModel({1, 2}).Write(folder_ / "model.onnx");
  const auto engine = MakeOpenVinoEngine(kBuilt);
  const auto model = engine->Load(folder_ / "model.onnx", 1);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_THAT(engine->name(), HasSubstr("OpenVINO 20"));
  registry::Tensor x{"x", registry::ElementType::kF32, {1, 2}, {}};
  const float values[] = {3, 4};
  x.bytes.resize(sizeof values);
  std::memcpy(x.bytes.data(), values, sizeof values);
  const auto outputs = (*model)->Infer({x});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  float y = 0;
  ASSERT_EQ(outputs->at(0).bytes.size(), sizeof y);
  std::memcpy(&y, outputs->at(0).bytes.data(), sizeof y);
  EXPECT_EQ(y, 11);
  // What the module made says what is wrong as this program's errors do.
  EXPECT_EQ((*model)->Infer({}).error().kind, ErrorKind::kInvalid);
}
#endif

}  // namespace
}  // namespace muster::modules
