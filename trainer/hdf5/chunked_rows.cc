#include <algorithm>
#include <cstring>
#include <numeric>

#include "trainer/hdf5/column_reader.h"
#include "trainer/hdf5/file_bytes.h"

namespace muster::trainer::hdf5 {
namespace {

/// Bytes that lie side by side in a chunk's row and in the row.
struct Segment {
  std::uint64_t from = 0;  ///< in the chunk's row
  std::uint64_t to = 0;    ///< in the row
  std::uint64_t bytes = 0;
};

std::uint64_t Product(std::span<const std::uint64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), std::uint64_t{1}, std::multiplies<>());
}

/// The segments of the `number`-th chunk (row-major) of those side by side that make up a row.
std::vector<Segment> SegmentsOf(const ChunkGrid& grid, std::uint64_t number) {
  const std::size_t rank = grid.shape.size();
  std::vector<std::uint64_t> corner(rank, 0);
  std::vector<std::uint64_t> extent(rank, 1);  // what of the chunk is within the dataset
  for (std::size_t d = rank; d-- > 1;) {
    corner[d] = number % grid.along(d) * grid.chunk[d];
    number /= grid.along(d);
    extent[d] = std::min(grid.chunk[d], grid.shape[d] - corner[d]);
  }
  const std::uint64_t line = rank > 1 ? extent[rank - 1] : 1;
  std::vector<Segment> segments;
  std::vector<std::uint64_t> index(rank, 0);
  for (std::uint64_t lines = Product(extent) / line; lines > 0; --lines) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    for (std::size_t d = 1; d < rank; ++d) {
      from = from * grid.chunk[d] + index[d];
      to = to * grid.shape[d] + corner[d] + index[d];
    }
    const Segment next{from * grid.element_bytes, to * grid.element_bytes,
                       line * grid.element_bytes};
    if (!segments.empty() && segments.back().from + segments.back().bytes == next.from &&
        segments.back().to + segments.back().bytes == next.to) {
      segments.back().bytes += next.bytes;
    } else {
      segments.push_back(next);
    }
    // The next line, as an odometer turns.
    for (std::size_t d = rank - 2; d >= 1 && rank > 2; --d) {
      if (++index[d] < extent[d]) break;
      index[d] = 0;
    }
  }
  return segments;
}

class ChunkedReader final : public ColumnReader {
 public:
  explicit ChunkedReader(ChunkedRows rows)
      : rows_(std::move(rows)),
        dataset_(rows_.cache->AddDataset()),
        chunk_bytes_(rows_.grid.chunk_bytes()),
        row_bytes_(Product(std::span(rows_.grid.shape).subspan(1)) * rows_.grid.element_bytes) {
    const std::uint64_t beside = rows_.grid.chunks() / rows_.grid.along(0);
    for (std::uint64_t k = 0; k < beside; ++k) segments_.push_back(SegmentsOf(rows_.grid, k));
  }

  Status Read(std::span<const std::uint64_t> rows, std::byte* out) const override {
    std::vector<std::uint32_t> order(rows.size());
    std::iota(order.begin(), order.end(), 0U);
    if (!std::ranges::is_sorted(rows))
      std::ranges::sort(order, {}, [&](auto i) { return rows[i]; });
    const std::uint64_t chunk_rows = rows_.grid.chunk[0];
    for (std::size_t begin = 0; begin < order.size();) {
      const std::uint64_t band = rows[order[begin]] / chunk_rows;
      std::size_t end = begin + 1;
      while (end < order.size() && rows[order[end]] / chunk_rows == band) ++end;
      MUSTER_RETURN_IF_ERROR(
          ReadBand(band, rows, std::span(order).subspan(begin, end - begin), out));
      begin = end;
    }
    return Ok();
  }

 private:
  /// The rows at `places` of `rows`, all of the chunks of one band.
  Status ReadBand(std::uint64_t band, std::span<const std::uint64_t> rows,
                  std::span<const std::uint32_t> places, std::byte* out) const {
    const std::uint64_t chunk_row_bytes = chunk_bytes_ / rows_.grid.chunk[0];
    for (std::size_t k = 0; k < segments_.size(); ++k) {
      MUSTER_ASSIGN_OR_RETURN(const ChunkBytes chunk, ChunkAt(band * segments_.size() + k));
      for (const std::uint32_t place : places) {
        const std::byte* from = chunk.get() + rows[place] % rows_.grid.chunk[0] * chunk_row_bytes;
        std::byte* to = out + place * row_bytes_;
        for (const Segment& segment : segments_[k]) {
          std::memcpy(to + segment.to, from + segment.from, segment.bytes);
        }
      }
    }
    return Ok();
  }

  Result<ChunkBytes> ChunkAt(std::uint64_t number) const {
    if (ChunkBytes kept = rows_.cache->Find(dataset_, number)) return kept;
    thread_local std::vector<std::byte> stored;
    thread_local std::vector<std::byte> scratch;
    const Chunk& chunk = rows_.chunks[number];
    const auto bytes = std::make_shared_for_overwrite<std::byte[]>(chunk_bytes_);
    const std::span<std::byte> all(bytes.get(), chunk_bytes_);
    if (rows_.filters.empty()) {
      MUSTER_RETURN_IF_ERROR(ReadAt(rows_.fd, all.data(), all.size(), chunk.address, rows_.name));
    } else {
      stored.resize(chunk.bytes);
      MUSTER_RETURN_IF_ERROR(
          ReadAt(rows_.fd, stored.data(), stored.size(), chunk.address, rows_.name));
      const Status undone = UndoFilters(rows_.filters, chunk.skipped, stored, all, scratch);
      if (!undone.ok()) return undone.error().With(Place(number));
    }
    rows_.cache->Keep(dataset_, number, bytes, chunk_bytes_);
    return ChunkBytes(bytes);
  }

  [[nodiscard]] std::string Place(std::uint64_t number) const {
    const std::uint64_t first = number / segments_.size() * rows_.grid.chunk[0];
    const std::uint64_t last = std::min(first + rows_.grid.chunk[0], rows_.grid.shape[0]) - 1;
    return rows_.name + ": the chunk of rows " + std::to_string(first) + " to " +
           std::to_string(last) + " at byte " + std::to_string(rows_.chunks[number].address);
  }

  ChunkedRows rows_;
  std::uint32_t dataset_;
  std::uint64_t chunk_bytes_;
  std::uint64_t row_bytes_;
  std::vector<std::vector<Segment>> segments_;  ///< of each chunk beside the others of a band
};

}  // namespace

std::unique_ptr<ColumnReader> ReadChunkedRows(ChunkedRows rows) {
  return std::make_unique<ChunkedReader>(std::move(rows));
}

}  // namespace muster::trainer::hdf5
