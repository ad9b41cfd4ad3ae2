#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <numeric>

#include "trainer/hdf5/dataset_file.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

class ShardsTest : public testing::Test {
 protected:
  ShardsTest()
      : folder_(fs::temp_directory_path() / ("muster-shards-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~ShardsTest() override { fs::remove_all(folder_); }

  /// Rows first, first + 1, ... as x (2 numbers, the second 100 more) and label.
  void Write(const std::string& name, std::int32_t first, std::int32_t rows,
             WriteOptions layout = {}) {
    std::vector<std::int32_t> x;
    std::vector<std::int64_t> labels;
    for (std::int32_t row = first; row < first + rows; ++row) {
      x.insert(x.end(), {row, row + 100});
      labels.push_back(row);
    }
    Save(name, static_cast<std::uint64_t>(rows),
         {Bytes("x", ElementType::kI32, {2}, x), Bytes("labels", ElementType::kI64, {}, labels)},
         layout);
  }
  void Save(const std::string& name, std::uint64_t rows, const std::vector<Column>& columns,
            WriteOptions layout = {}) {
    const Status written = WriteDatasetFile(folder_ / name, rows, columns, layout);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  template <typename T>
  static Column Bytes(const char* name, ElementType type, std::vector<std::int64_t> shape,
                      const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {{name, type, std::move(shape)}, {bytes.begin(), bytes.end()}};
  }
  std::string At(const std::string& name) { return (folder_ / name).string(); }
  std::string Refusal(const std::string& files) {
    const auto source = OpenDataset(files);
    return source.ok() ? "accepted" : source.error().message;
  }
  fs::path folder_;
};

TEST_F(ShardsTest, ManyFiles_AreOneDataset) {
  Write("a-0.h5", 0, 5);
  Write("a-1.h5", 5, 1, {.chunk_rows = 1});
  Write("a-2.h5", 6, 70, {.chunk_rows = 8, .deflate = 1});
  const std::vector<std::uint64_t> rows = {75, 0, 4, 5, 6, 7, 6, 40, 5, 3, 74};
  for (const std::string& files :
       {At("a-*.h5"), folder_.string(), At("a-0.h5") + "," + At("a-1.h5") + "," + At("a-2.h5")}) {
    const auto source = OpenDataset(files, {.resident_bytes_max = 0});
    ASSERT_TRUE(source.ok()) << source.error().message;
    ASSERT_EQ((*source)->rows(), 76U);
    EXPECT_EQ((*source)->name(), At("a-0.h5") + " and 2 more");
    std::vector<std::int32_t> x(rows.size() * 2);
    std::vector<std::int64_t> labels(rows.size());
    ASSERT_TRUE((*source)
                    ->Read(*FindField(**source, "x"), rows, reinterpret_cast<std::byte*>(x.data()))
                    .ok());
    ASSERT_TRUE((*source)
                    ->Read(*FindField(**source, "labels"), rows,
                           reinterpret_cast<std::byte*>(labels.data()))
                    .ok());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(labels[i], static_cast<std::int64_t>(rows[i]));
      EXPECT_EQ(x[2 * i], static_cast<std::int32_t>(rows[i]));
      EXPECT_EQ(x[2 * i + 1], static_cast<std::int32_t>(rows[i]) + 100);
    }
    std::byte out[8];
    const std::vector<std::uint64_t> beyond = {76};
    EXPECT_EQ((*source)->Read(0, beyond, out).error().message,
              (*source)->name() + ": row 76 of 76");
  }
}

TEST_F(ShardsTest, Differ_NamedWithFileDatasetAndBothShapes) {
  Write("a.h5", 0, 3);
  Save("b.h5", 2,
       {Bytes("x", ElementType::kI32, {3}, std::vector<std::int32_t>(6)),
        Bytes("labels", ElementType::kI64, {}, std::vector<std::int64_t>(2))});
  EXPECT_EQ(Refusal(At("a.h5") + "," + At("b.h5")),
            At("b.h5") + ": dataset 'x' is x i32 (3); wanted x i32 (2) as in " + At("a.h5"));
  Save("b.h5", 2,
       {Bytes("x", ElementType::kI32, {2}, std::vector<std::int32_t>(4)),
        Bytes("labels", ElementType::kI32, {}, std::vector<std::int32_t>(2))});
  EXPECT_EQ(
      Refusal(At("a.h5") + "," + At("b.h5")),
      At("b.h5") + ": dataset 'labels' is labels i32 (); wanted labels i64 () as in " + At("a.h5"));
  Save("b.h5", 2, {Bytes("x", ElementType::kI32, {2}, std::vector<std::int32_t>(4))});
  EXPECT_EQ(Refusal(At("a.h5") + "," + At("b.h5")),
            At("b.h5") + " has no dataset 'labels'; it has x i32 (2); " + At("a.h5") +
                " has labels i64 ()");
  EXPECT_EQ(
      Refusal(At("b.h5") + "," + At("a.h5")),
      At("a.h5") + ": dataset 'labels' is labels i64 (); " + At("b.h5") + " has no such dataset");
}

TEST_F(ShardsTest, EmptyOrMissing_Named) {
  Write("a.h5", 0, 3);
  Write("empty.h5", 0, 0);
  EXPECT_EQ(Refusal(At("a.h5") + "," + At("empty.h5")), At("empty.h5") + " has no rows");
  EXPECT_EQ(Refusal(At("a.h5") + "," + At("none.h5")), At("none.h5") + " does not exist");
  EXPECT_EQ(Refusal(At("z-*.h5")), "no file matches " + At("z-*.h5"));
}

}  // namespace
}  // namespace muster::trainer::hdf5
