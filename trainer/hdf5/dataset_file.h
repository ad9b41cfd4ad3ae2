#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "trainer/row_source.h"

/// HDF5 files as row sources. The library reads under one lock, so it is asked once where the bytes lie
/// (H5Dget_chunk_info_by_coord), and rows are read by pread from any number of threads:
///
///   contiguous, or at most 4096 chunks along rows, without filters, little-endian      -> pread
///   anything else (compressed, chunks that cut rows, more of them, big-endian) -> H5Dread under the lock
///
/// The file must not change while it is open.

namespace muster::trainer::hdf5 {

struct OpenOptions {
  bool only_library = false;  ///< read everything by H5Dread; for comparison in tests
};

/// Every dataset at the root of the file is a field; all have the same first dimension. kNotFound without
/// the file; kCorrupt when it is no HDF5 file; kInvalid names the dataset whose type or rows do not fit;
/// kUnsupported never: odd layouts are slower, not refused.
Result<std::unique_ptr<RowSource>> OpenDatasetFile(const std::filesystem::path& path,
                                                   OpenOptions options = {});

/// One dataset to write.
struct Column {
  Field field;
  std::vector<std::byte> bytes;  ///< rows * field.row_bytes(), row-major
};

struct WriteOptions {
  std::int64_t chunk_rows = 0;     ///< 0: contiguous
  int deflate = 0;                 ///< gzip level 1 to 9; needs chunk_rows
  std::int64_t chunk_columns = 0;  ///< cut the last row dimension too; for tests
};

/// Writes a whole file by rename. kInvalid when columns differ in rows; kResource, kIo.
Status WriteDatasetFile(const std::filesystem::path& path, std::uint64_t rows,
                        const std::vector<Column>& columns, WriteOptions options = {});

}  // namespace muster::trainer::hdf5
