#include "trainer/hdf5/convert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "trainer/hdf5/dataset_file.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

class ConvertTest : public testing::Test {
 protected:
  ConvertTest()
      : folder_(fs::temp_directory_path() / ("muster-convert-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    options_ = {.csv = folder_ / "table.csv", .out_dir = folder_ / "out", .name = "t"};
  }
  ~ConvertTest() override { fs::remove_all(folder_); }
  void Write(const std::string& text) { std::ofstream(options_.csv) << text; }
  std::string Refusal() {
    const auto files = ConvertCsv(options_);
    return files.ok() ? "accepted" : files.error().message;
  }
  fs::path folder_;
  CsvOptions options_;
};

std::vector<std::int64_t> Labels(const fs::path& path) {
  const auto source = OpenDatasetFile(path);
  EXPECT_TRUE(source.ok());
  std::vector<std::uint64_t> rows;
  for (std::uint64_t row = 0; row < (*source)->rows(); ++row) rows.push_back(row);
  std::vector<std::int64_t> labels(rows.size());
  EXPECT_TRUE(
      (*source)
          ->Read(*FindField(**source, "labels"), rows, reinterpret_cast<std::byte*>(labels.data()))
          .ok());
  return labels;
}

TEST_F(ConvertTest, Digits_SplitByLabel) {
  options_ = {.csv = MUSTER_DIGITS_CSV,
              .out_dir = folder_ / "out",
              .name = "digits",
              .row_shape = {1, 8, 8}};
  const auto files = ConvertCsv(options_);
  ASSERT_TRUE(files.ok()) << files.error().message;
  ASSERT_EQ(files->files.size(), 3U);
  std::uint64_t total = 0;
  const double fractions[] = {0.70, 0.15, 0.15};
  for (std::size_t i = 0; i < 3; ++i) {
    const ConvertedFile& file = files->files[i];
    total += file.rows;
    EXPECT_EQ(file.path.filename(), "digits-" + file.role + ".h5");
    std::map<std::int64_t, int> count;
    for (const std::int64_t label : Labels(file.path)) ++count[label];
    ASSERT_EQ(count.size(), 10U);
    // 174 to 183 rows of each digit; dealing them out misses the share by two at most.
    for (const auto& [label, rows] : count) EXPECT_NEAR(rows, 179.7 * fractions[i], 6.0) << label;
    const auto source = OpenDatasetFile(file.path);
    ASSERT_TRUE(source.ok());
    EXPECT_EQ((*source)->fields()[*FindField(**source, "images")].Text(), "images f32 (1,8,8)");
  }
  EXPECT_EQ(total, 1797U);
}

TEST_F(ConvertTest, EveryRow_InOneFileWithItsLabel) {
  std::string text = "x,label\n";
  for (int i = 0; i < 40; ++i) {
    text += std::to_string(i * 10 + i % 4) + "," + std::to_string(i % 4) + "\n";
  }
  Write(text);
  options_.header = true;
  options_.inputs_name = "x";
  const auto files = ConvertCsv(options_);
  ASSERT_TRUE(files.ok()) << files.error().message;
  std::set<float> seen;
  for (const ConvertedFile& file : files->files) {
    const auto source = OpenDatasetFile(file.path);
    ASSERT_TRUE(source.ok());
    const auto labels = Labels(file.path);
    for (std::uint64_t row = 0; row < file.rows; ++row) {
      float value = 0;
      const std::vector<std::uint64_t> rows = {row};
      ASSERT_TRUE((*source)
                      ->Read(*FindField(**source, "x"), rows, reinterpret_cast<std::byte*>(&value))
                      .ok());
      EXPECT_TRUE(seen.insert(value).second);
      EXPECT_EQ(static_cast<std::int64_t>(value) % 10, labels[row]);
    }
  }
  EXPECT_EQ(seen.size(), 40U);
}

TEST_F(ConvertTest, Wrong_NamesLineAndColumn) {
  EXPECT_EQ(Refusal(), "table " + options_.csv.string() + " does not exist");
  Write("1,2,0\n1,x,0\n");
  EXPECT_EQ(Refusal(), options_.csv.string() + ":2: column 2: wanted a number, got 'x'");
  Write("1,2,0\n1,0\n");
  EXPECT_EQ(Refusal(), options_.csv.string() + ":2: wanted 3 columns, got 2");
  Write("1,2,0.5\n");
  EXPECT_NE(Refusal().find(":1: column 3: wanted a label"), std::string::npos);
  Write("");
  EXPECT_EQ(Refusal(), options_.csv.string() + " has no rows");
  Write("1,2,0\n1,2,1\n");
  options_.row_shape = {3};
  EXPECT_NE(Refusal().find("has 3 numbers a row"), std::string::npos);
  options_.row_shape = {};
  options_.output.splits = {{"train", 0.5}, {"test", 0.4}};
  EXPECT_NE(Refusal().find("add up to 0.9"), std::string::npos);
  options_.output.splits = {{"train", 0.5}, {"train", 0.5}};
  EXPECT_EQ(Refusal(), "split 'train' is there twice");
  options_.output.splits = {{"train", 0.98}, {"test", 0.02}};
  EXPECT_EQ(Refusal(), "split 'test' gets none of the 2 rows");
  EXPECT_FALSE(std::filesystem::exists(options_.out_dir));
}

}  // namespace
}  // namespace muster::trainer::hdf5
