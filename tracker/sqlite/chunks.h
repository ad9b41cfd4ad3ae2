#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/series/point.h"

/// The rows of `chunks`: sealed points of a series, in history order from chunk to chunk; no chunk reaches into the
/// next one.

namespace muster::tracker {

struct Chunk {
  std::int64_t id = 0;
  std::vector<Point> points;
};

/// Stores 1 to kChunkPoints points as a chunk.
Status AddChunk(sqlite::Database& db, std::int64_t series, std::span<const Point> points);
/// The points of one that is there. kCorrupt.
Result<std::vector<Point>> ReadChunk(sqlite::Database& db, std::int64_t id);
/// Appends those of its points that stand in `rows` (DecodeRows). kCorrupt.
Status ReadChunkRows(sqlite::Database& db, std::int64_t id, std::span<const std::size_t> rows,
                     std::vector<Point>& points);
Status DropChunk(sqlite::Database& db, std::int64_t id);

/// The chunk in which `point` is or would belong: the last one that does not begin after it, else the first
/// one; nothing for a series without chunks. kCorrupt.
Result<std::optional<Chunk>> ChunkFor(sqlite::Database& db, std::int64_t series,
                                      const Point& point);
Result<std::optional<Chunk>> LastChunk(sqlite::Database& db, std::int64_t series);
/// The first point of the first chunk that begins after `point`.
Result<std::optional<Point>> NextChunkBegins(sqlite::Database& db, std::int64_t series,
                                             const Point& point);

/// Hands over the points of one chunk after the other, from the chunk for `from` on (nothing: from the first),
/// until `take` answers false. kCorrupt.
Status VisitChunks(sqlite::Database& db, std::int64_t series, const std::optional<Point>& from,
                   const std::function<Result<bool>(std::vector<Point>&)>& take);

}  // namespace muster::tracker
