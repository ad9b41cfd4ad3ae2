#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/row_order.h"

/// How a flat vector (a tensor's elements, row-major) is shared out over ranks: optimizer state under ZeRO, stage 1
/// (Rajbhandari et al. 2020). Pure.
///
/// A checkpoint holds whole tensors, not shards: rank 0 gathers them piece by piece (Pieces) into the host memory of
/// its snapshot, which it needs for writing anyway, so the devices have room for a piece and no more. Then any number
/// of ranks resumes by cutting what it loads, files are read by everybody, and no shard can be missing.

namespace muster::trainer {

/// Elements `begin` to `end`, without the last.
struct ElementRange {
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] std::int64_t size() const { return end - begin; }
  friend bool operator==(const ElementRange&, const ElementRange&) = default;
};

/// Elements of each rank's shard, a multiple of `align` and the same for all, as reduce-scatter and all-gather want;
/// what goes beyond `elements` is padding.
std::int64_t ShardSize(std::int64_t elements, std::int64_t world_size, std::int64_t align = 1);
/// What a rank has of `elements` without the padding: the last ranks may have less, or nothing.
ElementRange ShardRange(std::int64_t elements, const RankInfo& rank, std::int64_t align = 1);

/// `range` in order, in pieces of at most `most` elements. Every rank gets the same ones from the same range.
std::vector<ElementRange> Pieces(const ElementRange& range, std::int64_t most);

/// Ok when the ranges, in any order, hold each of 0 to `elements` once. kCorrupt names the vector and the first gap,
/// overlap or range beyond the end. Empty ranges are nothing.
Status CheckCover(const std::string& name, std::vector<ElementRange> ranges, std::int64_t elements);

/// A part of a flat vector; somebody else holds the bytes.
struct FlatPart {
  ElementRange range;
  std::span<const std::byte> bytes;
};
/// Copies `wanted` of the vector out of its parts, however they were cut: `out` has room for just that. kCorrupt when
/// a part has not the bytes of its range, or the parts do not have each wanted element once.
Status CutFromParts(const std::string& name, const std::vector<FlatPart>& parts,
                    std::size_t element_size, const ElementRange& wanted, std::span<std::byte> out);

}  // namespace muster::trainer
