#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/hdf5/chunk_cache.h"
#include "trainer/hdf5/chunk_index.h"
#include "trainer/hdf5/filters.h"

/// How rows of one dataset are read, by the way they lie in the file. All are called from any thread.

namespace muster::trainer::hdf5 {

class ColumnReader {
 public:
  virtual ~ColumnReader() = default;
  /// As RowSource::Read of this column; every row is there.
  virtual Status Read(std::span<const std::uint64_t> rows, std::byte* out) const = 0;
};

/// Rows that lie as they are, whole, in pieces of `piece_rows`: a pread for each run of rows that are neighbours in
/// the file. Not mapped into memory: a file that is cut while it is read, or a disk that fails, would be a
/// signal, not an error, and the mapping counts as the process's memory; it saves 0.3 us a row of 3 KB.
struct PlainRows {
  int fd = -1;  ///< of the caller
  std::string name;
  std::uint64_t row_bytes = 0;
  std::uint64_t piece_rows = 0;
  std::vector<std::uint64_t> addresses;  ///< of each piece
};
std::unique_ptr<ColumnReader> ReadPlainRows(PlainRows rows);

/// Rows in chunks that are compressed, or cut rows. A call reads each chunk it needs once, in the order of rows,
/// and leaves it in `cache`.
struct ChunkedRows {
  int fd = -1;
  std::string name;
  ChunkGrid grid;
  std::vector<Chunk> chunks;
  std::vector<Filter> filters;
  std::shared_ptr<ChunkCache> cache;
};
std::unique_ptr<ColumnReader> ReadChunkedRows(ChunkedRows rows);

}  // namespace muster::trainer::hdf5
