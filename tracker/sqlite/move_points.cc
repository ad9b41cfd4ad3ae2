#include "tracker/sqlite/move_points.h"

#include <optional>
#include <vector>

#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::int64_t kPointsACommit = 200'000;
constexpr int kSeriesACommit = 1'000;

/// The first series after `id` that has a row.
Result<std::optional<std::int64_t>> NextSeries(Database& db, std::int64_t id) {
  Statement row = db.Prepare("SELECT id FROM series WHERE id > ? ORDER BY id LIMIT 1");
  row.Bind(0, id);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? std::optional(row.Int(0)) : std::nullopt;
}

/// Series are moved in the order of their ids, each as a whole.
Result<std::int64_t> LastMoved(Database& db) {
  Statement row = db.Prepare("SELECT coalesce(max(series), 0) FROM chunks");
  MUSTER_RETURN_IF_ERROR(row.Step());
  return row.Int(0);
}

/// Answers how many points there were. The rows are in history order already.
Result<std::int64_t> MoveSeries(Database& db, std::int64_t series) {
  Statement rows = db.Prepare(
      "SELECT ts, step, value, nan, attempt FROM points WHERE series = ? "
      "ORDER BY series, ts, step, value, nan");
  rows.Bind(0, series);
  std::vector<Point> points;
  std::int64_t moved = 0;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (row) {
      points.push_back(
          {rows.Int(0), rows.Int(1), LoadedValue(rows.Double(2), rows.Int(3) != 0), rows.Int(4)});
    }
    if (!points.empty() && (!row || points.size() == kChunkPoints)) {
      MUSTER_RETURN_IF_ERROR(AddChunk(db, series, points));
      moved += std::ssize(points);
      points.clear();
    }
    if (!row) return moved;
  }
}

}  // namespace

Status MovePoints(Database& db) {
  MUSTER_ASSIGN_OR_RETURN(std::int64_t at, LastMoved(db));
  for (bool more = true; more;) {
    MUSTER_RETURN_IF_ERROR(db.Transact([&]() -> Status {
      std::int64_t points = 0;
      for (int series = 0; series < kSeriesACommit && points < kPointsACommit; ++series) {
        MUSTER_ASSIGN_OR_RETURN(const auto next, NextSeries(db, at));
        more = next.has_value();
        if (!more) return Ok();
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t moved, MoveSeries(db, *next));
        points += moved;
        at = *next;
      }
      return Ok();
    }));
  }
  return Ok();
}

}  // namespace muster::tracker
