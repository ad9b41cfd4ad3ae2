#include "tracker/sqlite/seal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tracker/series/chunk_codec.h"
#include "tracker/series/merge.h"
#include "tracker/sqlite/chunks.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// A shorter tail is no larger than the chunk that it would make.
constexpr std::int64_t kWorthSealing = 4;

Status AddChunks(Database& db, OpenSeries& series, std::span<const Point> points) {
  std::size_t at = 0;
  for (const std::size_t part : PartsOf(points.size(), kChunkPoints)) {
    const auto chunk = points.subspan(at, part);
    MUSTER_RETURN_IF_ERROR(AddChunk(db, series.id, chunk));
    at += part;
    if (series.sealed && Before(chunk.back(), *series.sealed)) continue;
    series.sealed = chunk.back();
    series.last_chunk = part;
  }
  return Ok();
}

/// Puts `points` into `chunk`, which they do not leave.
Status Rewrite(Database& db, OpenSeries& series, Chunk chunk, std::span<const Point> points) {
  MergePoints(chunk.points, points);
  MUSTER_RETURN_IF_ERROR(DropChunk(db, chunk.id));
  return AddChunks(db, series, chunk.points);
}

/// All of `points` come after the last chunk.
Status Append(Database& db, OpenSeries& series, std::span<const Point> points) {
  if (series.sealed && series.last_chunk + points.size() <= kChunkPoints) {
    MUSTER_ASSIGN_OR_RETURN(auto last, LastChunk(db, series.id));
    MUSTER_CHECK(last.has_value(), "a series with a sealed point has a chunk");
    return Rewrite(db, series, std::move(*last), points);
  }
  return AddChunks(db, series, points);
}

}  // namespace

Status Seal(Database& db, OpenSeries& series) {
  std::span<const Point> points = series.tail.points;
  while (!points.empty()) {
    if (!series.sealed || Before(*series.sealed, points.front())) {
      MUSTER_RETURN_IF_ERROR(Append(db, series, points));
      break;
    }
    MUSTER_ASSIGN_OR_RETURN(auto chunk, ChunkFor(db, series.id, points.front()));
    MUSTER_CHECK(chunk.has_value(), "a series with a sealed point has a chunk");
    MUSTER_ASSIGN_OR_RETURN(
        const auto next,
        NextChunkBegins(db, series.id, std::max(points.front(), chunk->points.front(), Before)));
    const auto end = next ? std::ranges::lower_bound(points, *next, Before) : points.end();
    const auto count = static_cast<std::size_t>(end - points.begin());
    MUSTER_RETURN_IF_ERROR(Rewrite(db, series, std::move(*chunk), points.first(count)));
    points = points.subspan(count);
  }
  if (series.tail.rows > 0) {
    MUSTER_RETURN_IF_ERROR(
        db.Prepare("DELETE FROM tail WHERE series = ?").Bind(0, series.id).Run());
  }
  series.tail.points.clear();
  series.tail.rows = 0;
  return Ok();
}

Status SealRun(Database& db, OpenSeriesCache& cache, const RunRow& run) {
  std::vector<std::pair<std::string, int>> keys;
  {
    Statement rows = db.Prepare(
        "SELECT key, rank FROM series WHERE run = ? AND "
        "EXISTS (SELECT 1 FROM tail WHERE tail.series = series.id)");
    rows.Bind(0, run.row);
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
      if (!row) break;
      keys.emplace_back(rows.Text(0), static_cast<int>(rows.Int(1)));
    }
  }
  return cache.Change([&]() -> Status {
    for (const auto& [key, rank] : keys) {
      MUSTER_ASSIGN_OR_RETURN(OpenSeries * series, cache.Get(db, run, {key, rank}));
      if (std::ssize(series->tail.points) < kWorthSealing) continue;
      MUSTER_RETURN_IF_ERROR(Seal(db, *series));
      cache.Keep(*series);
    }
    return Ok();
  });
}

}  // namespace muster::tracker
