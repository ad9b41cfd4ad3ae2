// Files cut short and with flipped bytes: every one is refused by name or read as it was; nothing crashes or hangs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>

#include "runtime/base/random.h"
#include "trainer/hdf5/dataset_file.h"
#include "trainer/hdf5/filters.h"

namespace muster::trainer::hdf5 {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRows = 40;

std::vector<std::byte> Pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * i % 251);
  return bytes;
}

class DamageTest : public testing::Test {
 protected:
  DamageTest()
      : folder_(fs::temp_directory_path() / ("muster-damage-" + std::to_string(getpid()))),
        path_(folder_ / "d.h5") {
    fs::create_directories(folder_);
  }
  ~DamageTest() override { fs::remove_all(folder_); }

  /// The bytes of a sound file.
  std::string Sound(WriteOptions layout) {
    const std::vector<Column> columns = {
        {{"images", ElementType::kF32, {3, 4}}, Pattern(kRows * 48)},
        {{"labels", ElementType::kI64, {}}, Pattern(kRows * 8)}};
    EXPECT_TRUE(WriteDatasetFile(path_, kRows, columns, layout).ok());
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Save(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  /// What opening the file and reading all of it says; "" when nothing is wrong. Reads no more than 1 MB.
  std::string ReadAll() {
    const auto source = OpenDatasetFile(path_, {.resident_bytes_max = 0});
    if (!source.ok()) return source.error().message;
    for (std::size_t field = 0; field < (*source)->fields().size(); ++field) {
      const std::size_t width = (*source)->fields()[field].row_bytes();
      std::vector<std::uint64_t> rows(std::min<std::uint64_t>((*source)->rows(), 100));
      std::iota(rows.begin(), rows.end(), 0);
      if (width > 10'000) continue;
      std::vector<std::byte> out(rows.size() * width + 1);
      if (const Status read = (*source)->Read(field, rows, out.data()); !read.ok()) {
        return read.error().message;
      }
    }
    return "";
  }
  fs::path folder_;
  fs::path path_;
};

const std::vector<WriteOptions> kLayouts = {
    {},
    {.chunk_rows = 4},
    {.chunk_rows = 8, .deflate = 6, .shuffle = true, .checksum = true},
    {.chunk_rows = 8, .deflate = 6, .chunk_columns = 3},
    {.chunk_rows = 8, .checksum = true, .newest_format = true}};

TEST_F(DamageTest, CutShortAnywhere_IsRefusedByName) {
  for (const WriteOptions& layout : kLayouts) {
    const std::string bytes = Sound(layout);
    ASSERT_EQ(ReadAll(), "");
    for (std::size_t size = 0; size < bytes.size(); size += 29) {
      Save(bytes.substr(0, size));
      EXPECT_NE(ReadAll().find(path_.string()), std::string::npos) << size;
    }
  }
}

TEST_F(DamageTest, CutShort_WithAHeaderThatHidesIt_IsRefusedByName) {
  for (const WriteOptions& layout : kLayouts) {
    if (layout.newest_format) continue;  // its header has a checksum
    const std::string bytes = Sound(layout);
    for (std::size_t size = 100; size < bytes.size(); size += 29) {
      std::string cut = bytes.substr(0, size);
      std::memcpy(cut.data() + 40, &size, 8);  // end of file in superblock 0
      Save(cut);
      const std::string refusal = ReadAll();
      // The last bytes of a file may be spare.
      if (size < bytes.size() - 3000) {
        EXPECT_NE(refusal, "") << size;
      }
      if (!refusal.empty()) {
        EXPECT_NE(refusal.find(path_.string()), std::string::npos) << refusal;
      }
    }
  }
}

TEST_F(DamageTest, FlippedBytes_NeverCrash) {
  Random random(7);
  for (const WriteOptions& layout : kLayouts) {
    const std::string bytes = Sound(layout);
    for (int round = 0; round < 200; ++round) {
      std::string flipped = bytes;
      for (std::uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
        char& byte = flipped[random.Below(flipped.size())];
        const std::uint64_t kind = random.Below(4);
        byte = kind == 0   ? '\xff'
               : kind == 1 ? '\0'
                           : static_cast<char>(byte ^ (1 << random.Below(8)));
      }
      Save(flipped);
      const std::string refusal = ReadAll();
      if (!refusal.empty()) {
        EXPECT_NE(refusal.find(path_.string()), std::string::npos) << refusal;
      }
    }
  }
}

// Each byte of each chunk of a file with checksums.
TEST_F(DamageTest, FlippedByteOfAChunk_NamesDatasetRowsAndOffset) {
  const auto data = Pattern(kRows * 48);
  const Column column{{"images", ElementType::kF32, {3, 4}}, data};
  const std::vector<WriteOptions> layouts = {{.chunk_rows = 40, .checksum = true},
                                             {.chunk_rows = 40, .deflate = 1}};
  for (const WriteOptions& layout : layouts) {
    ASSERT_TRUE(WriteDatasetFile(path_, kRows, {column}, layout).ok());
    std::ifstream in(path_, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    Save(bytes);
    // A stretch in the middle of the only chunk.
    const std::size_t chunk =
        layout.deflate > 0
            ? bytes.find("\x78\x01")
            : bytes.find(std::string(reinterpret_cast<const char*>(data.data()), 64));
    ASSERT_NE(chunk, std::string::npos);
    int refused = 0;
    for (std::size_t at = chunk + 2; at < chunk + 200; ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
      Save(flipped);
      const std::string refusal = ReadAll();
      EXPECT_TRUE(refusal.starts_with(path_.string() +
                                      ": dataset 'images': the chunk of rows 0 to 39 at byte " +
                                      std::to_string(chunk) + ": its "))
          << refusal;
      refused += refusal.empty() ? 0 : 1;
    }
    EXPECT_EQ(refused, 198);
  }
}

TEST(Lzf, DamagedStreams_AreRefused_NotReadBeyond) {
  Random random(3);
  std::vector<std::byte> out(500);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> in(random.Below(80));
    for (std::byte& byte : in) byte = static_cast<std::byte>(random.Below(256));
    refused += InflateLzf(in, out).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 19000);
  const std::vector<std::byte> sound = {std::byte{1},    std::byte{'a'}, std::byte{'b'},
                                        std::byte{0xE0}, std::byte{3},   std::byte{1}};
  std::vector<std::byte> text(14);  // "ab", and 12 bytes from two back
  ASSERT_TRUE(InflateLzf(sound, text).ok());
  EXPECT_EQ(std::memcmp(text.data(), "ababababababab", 14), 0);
}

}  // namespace
}  // namespace muster::trainer::hdf5
