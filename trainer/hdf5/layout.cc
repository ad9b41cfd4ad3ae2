#include <algorithm>
#include <optional>

#include "trainer/hdf5/library.h"

namespace muster::trainer::hdf5 {
namespace {

/// Of an index that only the library can read. 1.10 walks all chunks to find one: looking up 4096 takes 0.6 s,
/// 16384 take 6 s, 65536 160 s.
constexpr std::uint64_t kLookupsMax = 4096;
constexpr std::uint64_t kChunksMax = std::uint64_t{1} << 24;         // 256 MiB of index
constexpr std::uint64_t kLinesMax = std::uint64_t{1} << 20;          // a row is copied in
constexpr std::uint64_t kFilteredBytesMax = std::uint64_t{1} << 32;  // HDF5's own bound

using Reader = Result<std::unique_ptr<ColumnReader>>;

/// kUnsupported when a filter is neither ours nor the library's. `own`: all are ours.
Result<std::vector<Filter>> FiltersOf(hid_t list, const std::string& name, bool& own) {
  std::vector<Filter> filters;
  own = true;
  const int count = H5Pget_nfilters(list);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values_max = 1;
    unsigned value = 0;
    const H5Z_filter_t id = H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &values_max,
                                           &value, 0, nullptr, nullptr);
    if (!IsOwnFilter(id)) {
      own = false;
      if (H5Zfilter_avail(id) <= 0) {
        return Unsupported(name + " is compressed with " + FilterName(id) +
                           ", which muster cannot read; it reads gzip, lzf and uncompressed data");
      }
    }
    filters.push_back({id, values_max > 0 ? value : 1U});
  }
  return filters;
}

/// By one call of the library for each chunk.
std::optional<std::vector<Chunk>> AskForChunks(hid_t dataset, const ChunkGrid& grid) {
  if (grid.chunks() > kLookupsMax) return std::nullopt;
  std::vector<Chunk> chunks(grid.chunks());
  std::vector<hsize_t> corner(grid.shape.size());
  for (std::uint64_t k = 0; k < chunks.size(); ++k) {
    std::uint64_t left = k;
    for (std::size_t d = corner.size(); d-- > 0; left /= grid.along(d)) {
      corner[d] = left % grid.along(d) * grid.chunk[d];
    }
    unsigned skipped = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(dataset, corner.data(), &skipped, &address, &size) < 0 ||
        address == HADDR_UNDEF) {
      return std::nullopt;  // never written: the library knows its fill value
    }
    chunks[k] = {address, static_cast<std::uint32_t>(size), skipped};
  }
  return chunks;
}

Result<std::optional<std::vector<Chunk>>> ChunksOf(hid_t dataset, const FileFacts& file,
                                                   const ChunkGrid& grid, const std::string& name) {
  H5O_info_t info;
  if (H5Oget_info2(dataset, &info, H5O_INFO_BASIC) < 0) return std::optional<std::vector<Chunk>>();
  MUSTER_ASSIGN_OR_RETURN(auto chunks, ReadChunkIndex(file.fd, file.bytes, info.addr, grid, name));
  if (!chunks) chunks = AskForChunks(dataset, grid);
  return chunks;
}

Status CheckChunks(const std::vector<Chunk>& chunks, std::uint64_t unfiltered_bytes,
                   const FileFacts& file, const std::string& name) {
  for (const Chunk& chunk : chunks) {
    if (unfiltered_bytes != 0 && chunk.bytes != unfiltered_bytes) {
      return Corrupt(name + ": the chunk at byte " + std::to_string(chunk.address) + " has " +
                     std::to_string(chunk.bytes) + " bytes; wanted " +
                     std::to_string(unfiltered_bytes));
    }
    if (chunk.address > file.bytes || chunk.bytes > file.bytes - chunk.address) {
      return Corrupt(name + ": the chunk at byte " + std::to_string(chunk.address) +
                     " ends behind " + "the file's " + std::to_string(file.bytes) + " bytes");
    }
  }
  return Ok();
}

/// Null: the library must read it.
Reader ChunkedReaderOf(hid_t dataset, hid_t list, const FileFacts& file, const Field& field,
                       const std::vector<hsize_t>& shape, const std::string& name) {
  bool own = false;
  MUSTER_ASSIGN_OR_RETURN(auto filters, FiltersOf(list, name, own));
  std::vector<hsize_t> chunk(shape.size());
  if (!own || H5Pget_chunk(list, static_cast<int>(chunk.size()), chunk.data()) < 0) {
    return Reader(nullptr);
  }
  const ChunkGrid grid{
      {shape.begin(), shape.end()}, {chunk.begin(), chunk.end()}, ElementSize(field.type)};
  const bool has_empty_rows = std::ranges::count(grid.shape, 0U) > 0;
  if (has_empty_rows || grid.chunks() > kChunksMax || grid.chunk_bytes() >= kFilteredBytesMax) {
    return Reader(nullptr);
  }
  MUSTER_ASSIGN_OR_RETURN(auto chunks, ChunksOf(dataset, file, grid, name));
  if (!chunks) return Reader(nullptr);
  MUSTER_RETURN_IF_ERROR(
      CheckChunks(*chunks, filters.empty() ? grid.chunk_bytes() : 0, file, name));
  // A chunk that cuts rows, or is wider than they are, does not hold them side by side.
  const bool whole_rows = std::equal(chunk.begin() + 1, chunk.end(), shape.begin() + 1);
  if (filters.empty() && whole_rows) {
    PlainRows plain{file.fd, name, field.row_bytes(), chunk[0], {}};
    for (const Chunk& piece : *chunks) plain.addresses.push_back(piece.address);
    return ReadPlainRows(std::move(plain));
  }
  if (!whole_rows && field.row_elements() / std::min(chunk.back(), shape.back()) > kLinesMax) {
    return Reader(nullptr);
  }
  return ReadChunkedRows({file.fd, name, grid, std::move(*chunks), std::move(filters), file.cache});
}

Reader OwnReaderOf(hid_t dataset, const FileFacts& file, const Field& field,
                   const std::vector<hsize_t>& shape, const std::string& name) {
  const Handle list(H5Dget_create_plist(dataset), H5Pclose);
  if (!list.ok()) return Reader(nullptr);
  const H5D_layout_t layout = H5Pget_layout(list.id());
  if (layout == H5D_CHUNKED) {
    return ChunkedReaderOf(dataset, list.id(), file, field, shape, name);
  }
  if (layout != H5D_CONTIGUOUS || H5Pget_external_count(list.id()) != 0) return Reader(nullptr);
  const haddr_t address = H5Dget_offset(dataset);
  if (address == HADDR_UNDEF) return Reader(nullptr);
  const std::uint64_t bytes = shape[0] * field.row_bytes();
  if (address > file.bytes || bytes > file.bytes - address) {
    return Corrupt(name + " is cut short: its " + std::to_string(bytes) + " bytes begin at byte " +
                   std::to_string(address) + ", the file ends at byte " +
                   std::to_string(file.bytes));
  }
  return ReadPlainRows({file.fd, name, field.row_bytes(), shape[0], {address}});
}

}  // namespace

Reader ReaderOf(Handle dataset, const FileFacts& file, const Field& field,
                const std::vector<hsize_t>& shape, const std::string& name) {
  const Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const bool native = H5Tequal(type.id(), NativeType(field.type)) > 0;
  if (!file.only_library && native && shape[0] > 0) {
    MUSTER_ASSIGN_OR_RETURN(auto own, OwnReaderOf(dataset.id(), file, field, shape, name));
    if (own != nullptr) return own;
  }
  return ReadLibraryRows({std::move(dataset), name, field});
}

}  // namespace muster::trainer::hdf5
