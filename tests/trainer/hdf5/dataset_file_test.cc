#include "trainer/hdf5/dataset_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <numeric>
#include <thread>

#include "runtime/base/random.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

class DatasetFileTest : public testing::Test {
 protected:
  DatasetFileTest()
      : folder_(fs::temp_directory_path() / ("muster-hdf5-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~DatasetFileTest() override { fs::remove_all(folder_); }
  fs::path folder_;
};

std::vector<std::byte> RandomBytes(std::size_t size) {
  Random random(42);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Below(256));
  return bytes;
}

std::vector<std::byte> ReadRows(const RowSource& source, std::size_t field,
                                const std::vector<std::uint64_t>& rows) {
  std::vector<std::byte> out(rows.size() * source.fields()[field].row_bytes());
  const Status status = source.Read(field, rows, out.data());
  EXPECT_TRUE(status.ok()) << status.error().message;
  return out;
}

TEST_F(DatasetFileTest, EveryLayout_ReadsWhatTheLibraryReads) {
  constexpr std::uint64_t kRows = 103;
  const std::vector<Column> columns = {
      {{"images", ElementType::kF32, {3, 5}}, RandomBytes(kRows * 60)},
      {{"labels", ElementType::kI64, {}}, RandomBytes(kRows * 8)},
      {{"mask", ElementType::kU8, {7}}, RandomBytes(kRows * 7)}};
  // Contiguous; chunks that end inside and at the end; one chunk; compressed; chunks that cut rows.
  const std::vector<WriteOptions> layouts = {
      {},
      {.chunk_rows = 10},
      {.chunk_rows = 103},
      {.chunk_rows = 1},
      {.chunk_rows = 16, .deflate = 4},
      {.chunk_rows = 16, .deflate = 4, .shuffle = true, .checksum = true},
      {.chunk_rows = 16, .shuffle = true},
      {.chunk_rows = 16, .checksum = true},
      {.chunk_rows = 16, .chunk_columns = 2},
      {.chunk_rows = 7, .deflate = 1, .shuffle = true, .checksum = true, .chunk_columns = 3},
      {.newest_format = true},
      {.chunk_rows = 10, .newest_format = true},
      {.chunk_rows = 16, .deflate = 4, .checksum = true, .newest_format = true}};
  // Backwards, a run over chunk edges, repeats, the ends.
  std::vector<std::uint64_t> rows = {102, 0, 50, 50, 49, 9, 10, 11, 99, 100, 101, 102};
  for (const WriteOptions& layout : layouts) {
    const fs::path path = folder_ / "layout.h5";
    const Status written = WriteDatasetFile(path, kRows, columns, layout);
    ASSERT_TRUE(written.ok()) << written.error().message;
    const auto own = OpenDatasetFile(path, {.resident_bytes_max = 0});
    const auto resident = OpenDatasetFile(path);
    const auto library = OpenDatasetFile(path, {.only_library = true});
    ASSERT_TRUE(own.ok()) << own.error().message;
    ASSERT_TRUE(resident.ok());
    ASSERT_TRUE(library.ok());
    ASSERT_EQ((*own)->rows(), kRows);
    for (const Column& column : columns) {
      const auto field = FindField(**own, column.field.name);
      ASSERT_TRUE(field.ok());
      EXPECT_EQ((*own)->fields()[*field].Text(), column.field.Text());
      const auto read = ReadRows(**own, *field, rows);
      EXPECT_EQ(read, ReadRows(**library, *field, rows)) << column.field.name;
      EXPECT_EQ(read, ReadRows(**resident, *field, rows)) << column.field.name;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t width = column.field.row_bytes();
        EXPECT_EQ(
            std::memcmp(read.data() + i * width, column.bytes.data() + rows[i] * width, width), 0);
      }
    }
  }
}

TEST_F(DatasetFileTest, ManyThreads_ReadTheSame) {
  constexpr std::uint64_t kRows = 1000;
  const fs::path path = folder_ / "threads.h5";
  const std::vector<Column> columns = {{{"x", ElementType::kI32, {4}}, RandomBytes(kRows * 16)}};
  ASSERT_TRUE(WriteDatasetFile(path, kRows, columns, {.chunk_rows = 64}).ok());
  const auto source = OpenDatasetFile(path);
  ASSERT_TRUE(source.ok());
  std::vector<std::uint64_t> rows(kRows);
  std::iota(rows.rbegin(), rows.rend(), 0);
  const auto expected = ReadRows(**source, 0, rows);
  std::vector<std::vector<std::byte>> got(8);
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([&] { mine = ReadRows(**source, 0, rows); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : got) EXPECT_EQ(mine, expected);
}

TEST_F(DatasetFileTest, Wrong_IsNamed) {
  EXPECT_EQ(OpenDatasetFile(folder_ / "none.h5").error().kind, ErrorKind::kNotFound);
  std::ofstream(folder_ / "text.h5") << "not HDF5";
  const auto text = OpenDatasetFile(folder_ / "text.h5");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(text.error().message.find("text.h5 is not an HDF5 file"), std::string::npos);

  const fs::path path = folder_ / "one.h5";
  ASSERT_TRUE(
      WriteDatasetFile(path, 2, {{{"x", ElementType::kF32, {2}}, RandomBytes(16)}}, {}).ok());
  const auto source = OpenDatasetFile(path);
  ASSERT_TRUE(source.ok());
  const auto missing = FindField(**source, "labels");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().message, path.string() + " has no dataset 'labels'; it has x f32 (2)");
  std::byte out[8];
  const std::vector<std::uint64_t> beyond = {2};
  EXPECT_EQ((*source)->Read(0, beyond, out).error().kind, ErrorKind::kInvalid);
}

TEST_F(DatasetFileTest, FileCutShort_IsCorruptNotGarbage) {
  const fs::path path = folder_ / "cut.h5";
  ASSERT_TRUE(
      WriteDatasetFile(path, 64, {{{"x", ElementType::kF64, {64}}, RandomBytes(64 * 512)}}, {})
          .ok());
  const auto source = OpenDatasetFile(path);
  ASSERT_TRUE(source.ok());
  fs::resize_file(path, fs::file_size(path) - 20'000);
  std::vector<std::byte> out(512);
  const std::vector<std::uint64_t> last = {63};
  const Status status = (*source)->Read(0, last, out.data());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
}

TEST_F(DatasetFileTest, RowsDiffer_Refused) {
  const fs::path path = folder_ / "differ.h5";
  const Status status = WriteDatasetFile(
      path, 3,
      {{{"x", ElementType::kF32, {}}, RandomBytes(12)}, {{"y", ElementType::kF32, {}}, {}}}, {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "column y f32 () has 0 bytes; 3 rows want 12");
  EXPECT_FALSE(fs::exists(path));
}

// Four levels of chunks beside and below each other, all smaller at the edge of the dataset.
TEST_F(DatasetFileTest, ChunksThatCutEveryDimension_PutRowsTogether) {
  constexpr std::uint64_t kRows = 11;
  const Column column{{"x", ElementType::kI32, {5, 6, 7}}, RandomBytes(kRows * 5 * 6 * 7 * 4)};
  for (const std::int64_t columns : {1, 3, 7}) {
    const fs::path path = folder_ / "cut.h5";
    ASSERT_TRUE(WriteDatasetFile(path, kRows, {column},
                                 {.chunk_rows = 4, .chunk_columns = columns, .chunk_middle = 2})
                    .ok());
    const auto source = OpenDatasetFile(path, {.resident_bytes_max = 0});
    ASSERT_TRUE(source.ok()) << source.error().message;
    const auto all = ReadRows(**source, 0, {10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    const std::size_t width = column.field.row_bytes();
    EXPECT_EQ(std::memcmp(all.data(), column.bytes.data() + 10 * width, width), 0);
    EXPECT_EQ(std::memcmp(all.data() + width, column.bytes.data(), 10 * width), 0);
  }
}

TEST_F(DatasetFileTest, CacheTooSmallForAChunk_ReadsTheSame) {
  constexpr std::uint64_t kRows = 500;
  const fs::path path = folder_ / "small-cache.h5";
  const Column column{{"x", ElementType::kI32, {32}}, RandomBytes(kRows * 128)};
  ASSERT_TRUE(WriteDatasetFile(path, kRows, {column}, {.chunk_rows = 8, .deflate = 1}).ok());
  std::vector<std::uint64_t> rows(kRows);
  std::iota(rows.rbegin(), rows.rend(), 0);
  const auto plenty = OpenDatasetFile(path, {.resident_bytes_max = 0});
  ASSERT_TRUE(plenty.ok());
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1024}, std::size_t{5000}}) {
    const auto cache = std::make_shared<ChunkCache>(bytes);
    const auto source = OpenDatasetFile(path, {.resident_bytes_max = 0, .cache = cache});
    ASSERT_TRUE(source.ok());
    EXPECT_EQ(ReadRows(**source, 0, rows), ReadRows(**plenty, 0, rows)) << bytes;
  }
}

// tests/golden/trainer/lzf.py says what it holds.
TEST_F(DatasetFileTest, LzfOfH5py_IsRead) {
  const auto source = OpenDatasetFile(MUSTER_GOLDEN "/lzf.h5");
  ASSERT_TRUE(source.ok()) << source.error().message;
  ASSERT_EQ((*source)->fields()[0].Text(), "bytes u8 (96)");
  ASSERT_EQ((*source)->fields()[1].Text(), "numbers i32 (2,3)");
  std::vector<std::uint64_t> rows(40);
  std::iota(rows.begin(), rows.end(), 0);
  const auto bytes = ReadRows(**source, 0, rows);
  const auto numbers = ReadRows(**source, 1, rows);
  for (std::uint32_t row = 0; row < 40; ++row) {
    for (std::uint32_t column = 0; column < 96; ++column) {
      const std::uint32_t noise = ((row - 8) * 96 + column) * 2654435761U;
      const std::uint32_t wanted =
          row < 8 || row >= 16 ? (row + column) % 5 : ((noise ^ noise >> 15) * 2246822519U) >> 24;
      ASSERT_EQ(std::to_integer<std::uint32_t>(bytes[row * 96 + column]), wanted) << row;
    }
  }
  for (std::int32_t i = 0; i < 240; ++i) {
    std::int32_t number = 0;
    std::memcpy(&number, numbers.data() + i * 4, 4);
    ASSERT_EQ(number, i);
  }
}

// More than are looked up one by one when the file is opened.
TEST_F(DatasetFileTest, ManyChunks_ReadAllTheSame) {
  const auto bytes = RandomBytes(std::size_t{5000} * 4);
  const fs::path path = folder_ / "chunks.h5";
  ASSERT_TRUE(
      WriteDatasetFile(path, 5000, {{{"x", ElementType::kF32, {}}, bytes}}, {.chunk_rows = 1})
          .ok());
  const auto source = OpenDatasetFile(path);
  ASSERT_TRUE(source.ok()) << source.error().message;
  std::vector<std::uint64_t> rows(5000);
  std::iota(rows.begin(), rows.end(), 0);
  EXPECT_EQ(ReadRows(**source, 0, rows), bytes);
}

}  // namespace
}  // namespace muster::trainer::hdf5
