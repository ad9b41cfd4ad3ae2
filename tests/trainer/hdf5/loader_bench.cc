// Reads rows of column 0 of an HDF5 file in batches, one thread, as a training loop does, and the same rows by a
// pread each at known offsets of an uncompressed file. scripts/bench/trainer/loader calls it.
//   loader_bench FILE ROWS CACHE_BYTES PASSES PLAIN_FILE OFFSETS   ROWS: row numbers; OFFSETS: of every row; u64 each
// Prints rows a second as JSON: of the first pass after opening, the medians of later ones, of pread, and of a copy
// from the mapped file.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "trainer/hdf5/dataset_file.h"

namespace {

constexpr std::size_t kBatch = 256;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "loader_bench: %s\n", what.c_str());
  std::exit(1);
}

std::vector<std::uint64_t> ReadNumbers(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) Fail(std::string("no file ") + path);
  std::vector<std::uint64_t> rows(static_cast<std::size_t>(file.tellg()) / 8);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(rows.data()), static_cast<std::streamsize>(rows.size() * 8));
  return rows;
}

template <typename ReadBatch>
double RowsPerSecond(std::span<const std::uint64_t> rows, ReadBatch read) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t begin = 0; begin < rows.size(); begin += kBatch) {
    read(rows.subspan(begin, std::min(kBatch, rows.size() - begin)));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return static_cast<double>(rows.size()) / took.count();
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) Fail("FILE ROWS CACHE_BYTES PASSES PLAIN_FILE OFFSETS");
  const auto rows = ReadNumbers(argv[2]);
  const auto cache =
      std::make_shared<muster::trainer::hdf5::ChunkCache>(std::strtoull(argv[3], nullptr, 10));
  const auto opening = std::chrono::steady_clock::now();
  const auto source = muster::trainer::hdf5::OpenDatasetFile(argv[1], {.cache = cache});
  if (!source.ok()) Fail(source.error().message);
  const std::chrono::duration<double> opened = std::chrono::steady_clock::now() - opening;
  const std::size_t width = (*source)->fields()[0].row_bytes();
  std::vector<std::byte> out(kBatch * width, std::byte{1});  // touched: no pass pays for its pages
  const auto own = [&](std::span<const std::uint64_t> batch) {
    const auto status = (*source)->Read(0, batch, out.data());
    if (!status.ok()) Fail(status.error().message);
  };
  const int fd = ::open(argv[5], O_RDONLY);
  const auto offsets = ReadNumbers(argv[6]);
  const auto size = static_cast<std::size_t>(::lseek(fd, 0, SEEK_END));
  const auto* mapped =
      static_cast<const std::byte*>(::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0));
  if (fd < 0 || mapped == MAP_FAILED) Fail(std::string("no file ") + argv[5]);
  const auto raw = [&](std::span<const std::uint64_t> batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto at = static_cast<off_t>(offsets[batch[i]]);
      if (::pread(fd, out.data() + i * width, width, at) != static_cast<ssize_t>(width)) {
        Fail("pread");
      }
    }
  };
  const auto copy = [&](std::span<const std::uint64_t> batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::memcpy(out.data() + i * width, mapped + offsets[batch[i]], width);
    }
  };
  const double first = RowsPerSecond(rows, own);
  std::vector<double> own_passes;
  std::vector<double> raw_passes;
  std::vector<double> mapped_passes;
  for (int pass = std::stoi(argv[4]); pass > 0; --pass) {
    own_passes.push_back(RowsPerSecond(rows, own));
    raw_passes.push_back(RowsPerSecond(rows, raw));
    mapped_passes.push_back(RowsPerSecond(rows, copy));
  }
  std::printf(
      "{\"open_seconds\": %.4f, \"first\": %.0f, \"later\": %.0f, \"pread\": %.0f, \"mmap\": "
      "%.0f}\n",
      opened.count(), first, Median(own_passes), Median(raw_passes), Median(mapped_passes));
  return 0;
}
