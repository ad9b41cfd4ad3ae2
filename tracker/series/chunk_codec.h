#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/series/point.h"

/// Points of a series as bytes. The format outlives every process; it stands in tracker/series/README.md.
/// Pure; any thread.

namespace muster::tracker {

/// No chunk holds more.
inline constexpr std::size_t kChunkPoints = 1024;

/// `points`: 1 to kChunkPoints, each Before the next.
std::string EncodeChunk(std::span<const Point> points);

/// Appends the points of a chunk to `points`, as they were encoded. kCorrupt, with `points` as it was, for
/// anything that EncodeChunk did not make; no bytes make it read beyond them or ask for more memory than
/// kChunkPoints points take.
Status DecodeChunk(std::string_view bytes, std::vector<Point>& points);

/// Appends those points of a chunk that stand in `rows` (ascending, no two the same, counted from 0), much faster than
/// all. kCorrupt as DecodeChunk, but points in a wrong order may pass; and for a row that it does not have.
Status DecodeRows(std::string_view bytes, std::span<const std::size_t> rows,
                  std::vector<Point>& points);

}  // namespace muster::tracker
