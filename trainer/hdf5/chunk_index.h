#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// Where the chunks of a dataset lie, read from the file itself: HDF5 1.10 walks all chunks to find one, so that
/// asking it for each of 65,536 takes 160 s; reading its index takes 20 ms. HDF5 File Format Specification 3.0:
/// object headers IV.A.1, the layout message IV.A.2.i (version 3), the version 1 B-tree III.A.1.

namespace muster::trainer::hdf5 {

struct Chunk {
  std::uint64_t address = 0;  ///< in the file
  std::uint32_t bytes = 0;    ///< as stored
  std::uint32_t skipped = 0;  ///< filters that were not applied, a bit each
};

/// How a dataset is cut: chunk k of dimension d holds [k * chunk[d], (k + 1) * chunk[d]) of shape[d].
struct ChunkGrid {
  std::vector<std::uint64_t> shape;  ///< rows first
  std::vector<std::uint64_t> chunk;
  std::uint64_t element_bytes = 0;

  [[nodiscard]] std::uint64_t along(std::size_t dimension) const {
    return (shape[dimension] - 1) / chunk[dimension] + 1;
  }
  [[nodiscard]] std::uint64_t chunks() const;
  [[nodiscard]] std::uint64_t chunk_bytes() const;
};

/// Of every chunk, row-major. Nothing when the file keeps its index another way, or chunks were never written
/// (their place in the answer would hold nothing): ask the library. kCorrupt names `name` (file and dataset) and
/// the offset; kIo. `fd` is read at addresses of the file, `object_header` is the dataset's (H5O_info_t::addr);
/// `file_bytes` is the file's size: no chunk ends behind it.
Result<std::optional<std::vector<Chunk>>> ReadChunkIndex(int fd, std::uint64_t file_bytes,
                                                         std::uint64_t object_header,
                                                         const ChunkGrid& grid,
                                                         const std::string& name);

}  // namespace muster::trainer::hdf5
