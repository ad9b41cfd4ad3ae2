#include "tracker/sqlite/chunks.h"

#include <algorithm>
#include <cmath>

#include "tracker/series/bucket.h"
#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// Binds what orders chunks: four parameters from `index` on.
void BindKey(Statement& statement, int index, const Point& point) {
  statement.Bind(index, point.ts_ms)
      .Bind(index + 1, point.step)
      .Bind(index + 2, StoredValue(point.value))
      .Bind(index + 3, int{std::isnan(point.value)});
}

Status OfChunk(std::int64_t id, Status status) {
  if (status.ok()) return status;
  return status.error().With("row " + std::to_string(id) + " of chunks");
}

Status Decode(std::int64_t id, std::string_view data, std::vector<Point>& points) {
  return OfChunk(id, DecodeChunk(data, points));
}

/// The row of one that is there: (data).
Result<Statement> FindData(Database& db, std::int64_t id) {
  Statement row = db.Prepare("SELECT data FROM chunks WHERE id = ?");
  row.Bind(0, id);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  MUSTER_CHECK(found, "it was found in this transaction");
  return row;
}

/// The row that `found` stands on: (id, data).
Result<std::optional<Chunk>> TakeChunk(Statement& found) {
  MUSTER_ASSIGN_OR_RETURN(const bool row, found.Step());
  if (!row) return std::optional<Chunk>();
  Chunk chunk{.id = found.Int(0)};
  MUSTER_RETURN_IF_ERROR(Decode(chunk.id, found.Text(1), chunk.points));
  return std::optional(std::move(chunk));
}

}  // namespace

Status AddChunk(Database& db, std::int64_t series, std::span<const Point> points) {
  const std::int64_t max_step = std::ranges::max(points, {}, &Point::step).step;
  const std::int64_t min_attempt = std::ranges::min(points, {}, &Point::attempt).attempt;
  const bool by_step = std::ranges::is_sorted(points, {}, &Point::step);
  Statement insert = db.Prepare(
      "INSERT INTO chunks(series, first_ts, first_step, first_value, first_nan, points, max_step, "
      "min_attempt, by_step, buckets, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(0, series);
  BindKey(insert, 1, points.front());
  insert.Bind(5, static_cast<std::int64_t>(points.size()))
      .Bind(6, max_step)
      .Bind(7, min_attempt)
      .Bind(8, int{by_step})
      .Bind(9, std::string_view(EncodeBuckets(points)))
      .Bind(10, std::string_view(EncodeChunk(points)));
  return insert.Run();
}

Result<std::vector<Point>> ReadChunk(Database& db, std::int64_t id) {
  MUSTER_ASSIGN_OR_RETURN(const Statement row, FindData(db, id));
  std::vector<Point> points;
  MUSTER_RETURN_IF_ERROR(Decode(id, row.Text(0), points));
  return points;
}

Status ReadChunkRows(Database& db, std::int64_t id, std::span<const std::size_t> rows,
                     std::vector<Point>& points) {
  MUSTER_ASSIGN_OR_RETURN(const Statement row, FindData(db, id));
  return OfChunk(id, DecodeRows(row.Text(0), rows, points));
}

Status DropChunk(Database& db, std::int64_t id) {
  return db.Prepare("DELETE FROM chunks WHERE id = ?").Bind(0, id).Run();
}

Result<std::optional<Chunk>> ChunkFor(Database& db, std::int64_t series, const Point& point) {
  {
    Statement row = db.Prepare(
        "SELECT id, data FROM chunks WHERE series = ? AND "
        "(first_ts, first_step, first_value, first_nan) <= (?, ?, ?, ?) ORDER BY "
        "first_ts DESC, first_step DESC, first_value DESC, first_nan DESC LIMIT 1");
    row.Bind(0, series);
    BindKey(row, 1, point);
    MUSTER_ASSIGN_OR_RETURN(auto chunk, TakeChunk(row));
    if (chunk) return chunk;
  }
  Statement row = db.Prepare(
      "SELECT id, data FROM chunks WHERE series = ? ORDER BY "
      "first_ts, first_step, first_value, first_nan LIMIT 1");
  row.Bind(0, series);
  return TakeChunk(row);
}

Result<std::optional<Chunk>> LastChunk(Database& db, std::int64_t series) {
  Statement row = db.Prepare(
      "SELECT id, data FROM chunks WHERE series = ? ORDER BY "
      "first_ts DESC, first_step DESC, first_value DESC, first_nan DESC LIMIT 1");
  row.Bind(0, series);
  return TakeChunk(row);
}

Result<std::optional<Point>> NextChunkBegins(Database& db, std::int64_t series,
                                             const Point& point) {
  Statement row = db.Prepare(
      "SELECT first_ts, first_step, first_value, first_nan FROM chunks WHERE series = ? AND "
      "(first_ts, first_step, first_value, first_nan) > (?, ?, ?, ?) ORDER BY "
      "first_ts, first_step, first_value, first_nan LIMIT 1");
  row.Bind(0, series);
  BindKey(row, 1, point);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::optional<Point>();
  return std::optional(
      Point{row.Int(0), row.Int(1), LoadedValue(row.Double(2), row.Int(3) != 0), 0});
}

Status VisitChunks(Database& db, std::int64_t series, const std::optional<Point>& from,
                   const std::function<Result<bool>(std::vector<Point>&)>& take) {
  std::optional<Point> begin;
  if (from) {
    MUSTER_ASSIGN_OR_RETURN(const auto chunk, ChunkFor(db, series, *from));
    if (!chunk) return Ok();
    begin = chunk->points.front();
  }
  Statement rows = db.Prepare(begin ? "SELECT id, data FROM chunks WHERE series = ? AND "
                                      "(first_ts, first_step, first_value, first_nan) >= "
                                      "(?, ?, ?, ?) ORDER BY "
                                      "first_ts, first_step, first_value, first_nan"
                                    : "SELECT id, data FROM chunks WHERE series = ? ORDER BY "
                                      "first_ts, first_step, first_value, first_nan");
  rows.Bind(0, series);
  if (begin) BindKey(rows, 1, *begin);
  std::vector<Point> points;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return Ok();
    points.clear();
    MUSTER_RETURN_IF_ERROR(Decode(rows.Int(0), rows.Text(1), points));
    MUSTER_ASSIGN_OR_RETURN(const bool more, take(points));
    if (!more) return Ok();
  }
}

}  // namespace muster::tracker
