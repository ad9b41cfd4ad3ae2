#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/hdf5/chunk_cache.h"
#include "trainer/row_source.h"

/// HDF5 files as row sources. The library reads under one lock, so it is asked once where the bytes lie, and
/// rows are read and decompressed by any number of threads:
///
///   whole rows, uncompressed, contiguous or in chunks                      -> a pread a run of rows
///   gzip, lzf, shuffle, fletcher32 (verified), chunks that cut rows -> pread of chunks, own decompression,
///                                                                      a cache of decompressed chunks
///   columns of at most 8 MiB                          -> read once, whole, at first use; then from memory
///   other filters, big-endian, compact, virtual, external, never written -> H5Dread under the lock
///
/// The file must not change while it is open.

namespace muster::trainer::hdf5 {

inline constexpr std::size_t kCacheBytes = std::size_t{256} << 20;

struct OpenOptions {
  bool only_library = false;  ///< read everything by H5Dread; for comparison in tests
  std::size_t resident_bytes_max = std::size_t{8} << 20;  ///< columns kept in memory
  /// Of decompressed chunks; none given: one of kCacheBytes for this file.
  std::shared_ptr<ChunkCache> cache;
};

/// Every dataset at the root of the file is a field; all have the same first dimension. kNotFound without the
/// file; kCorrupt when it is no HDF5 file, is cut short or damaged (names dataset and offset where they are
/// known); kInvalid names the dataset whose type or rows do not fit; kUnsupported names a filter that is not
/// known. Reading: kCorrupt names file, dataset, rows and offset; kResource without memory for a chunk.
Result<std::unique_ptr<RowSource>> OpenDatasetFile(const std::filesystem::path& path,
                                                   OpenOptions options = {});

/// A dataset of one or many files, as data flags name it: a list separated by commas of files, patterns
/// ("a-*.h5") and folders (their *.h5); base/file_list.h says in which order. The rows of all files, one cache for
/// all. Errors are those of ListFiles, OpenDatasetFile and JoinShards (an empty file, other columns).
Result<std::unique_ptr<RowSource>> OpenDataset(std::string_view files, OpenOptions options = {});

/// One dataset to write.
struct Column {
  Field field;
  std::vector<std::byte> bytes;  ///< rows * field.row_bytes(), row-major
};

inline constexpr std::int64_t kChunkOf64KiB = -1;

struct WriteOptions {
  std::int64_t chunk_rows =
      0;                  ///< 0: contiguous; kChunkOf64KiB: as many as that holds, at least one
  int deflate = 0;        ///< gzip level 1 to 9; needs chunk_rows
  bool shuffle = false;   ///< before gzip: the bytes of numbers by their places
  bool checksum = false;  ///< Fletcher-32 of each chunk; needs chunk_rows
  std::int64_t chunk_columns = 0;  ///< cut the last row dimension too; for tests
  std::int64_t chunk_middle = 0;   ///< and those between; for tests
  bool newest_format = false;      ///< of HDF5, which has other indexes; for tests
};

/// Writes a whole file by rename. kInvalid when columns differ in rows; kResource, kIo.
Status WriteDatasetFile(const std::filesystem::path& path, std::uint64_t rows,
                        const std::vector<Column>& columns, WriteOptions options = {});

/// As above, with `rows` of `source` in that order, a few MiB at a time.
Status WriteRows(const std::filesystem::path& path, const RowSource& source,
                 std::span<const std::uint64_t> rows, WriteOptions options = {});

}  // namespace muster::trainer::hdf5
