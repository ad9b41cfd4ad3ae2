#include "tracker/sqlite/ranks.h"

#include <map>
#include <utility>

#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;
using Ranks = std::map<int, RankSummary>;

RankSummary& RankOf(Ranks& ranks, std::int64_t number) {
  const auto rank = static_cast<int>(number);
  RankSummary& summary = ranks[rank];
  summary.place.rank = rank;
  return summary;
}

/// Places, and what the series' rows know.
Status ReadRows(Database& db, std::int64_t run, Ranks& ranks) {
  Statement places = db.Prepare("SELECT rank, node, gpu FROM ranks WHERE run = ?");
  places.Bind(0, run);
  MUSTER_RETURN_IF_ERROR(ForEachRow(places, [&](Statement& row) {
    RankPlace& place = RankOf(ranks, row.Int(0)).place;
    place.node = row.Text(1);
    place.gpu = static_cast<int>(row.Int(2));
  }));
  Statement latest = db.Prepare(
      "SELECT rank, max(latest_step), max(latest_ts) FROM series WHERE run = ? AND rank >= 0 "
      "GROUP BY rank");
  latest.Bind(0, run);
  return ForEachRow(latest, [&](Statement& row) {
    RankSummary& rank = RankOf(ranks, row.Int(0));
    rank.last_step = row.Int(1);
    rank.last_time_ms = row.Int(2);
  });
}

/// In chunks, whose rows say how many, and in the tail.
Status CountPoints(Database& db, std::int64_t run, Ranks& ranks) {
  Statement chunks = db.Prepare(
      "SELECT s.rank, sum(c.points) FROM series s JOIN chunks c ON c.series = s.id "
      "WHERE s.run = ? AND s.rank >= 0 GROUP BY s.rank");
  chunks.Bind(0, run);
  MUSTER_RETURN_IF_ERROR(
      ForEachRow(chunks, [&](Statement& row) { RankOf(ranks, row.Int(0)).points += row.Int(1); }));
  Statement tail = db.Prepare(
      "SELECT s.rank, t.points FROM series s JOIN tail t ON t.series = s.id "
      "WHERE s.run = ? AND s.rank >= 0");
  tail.Bind(0, run);
  Status decoded;
  std::vector<Point> points;
  MUSTER_RETURN_IF_ERROR(ForEachRow(tail, [&](Statement& row) {
    points.clear();
    if (decoded.ok()) decoded = DecodeChunk(row.Text(1), points);
    RankOf(ranks, row.Int(0)).points += std::ssize(points);
  }));
  return decoded;
}

}  // namespace

Status WriteRankPlace(Database& db, std::int64_t run, const RankPlace& place) {
  return db
      .Prepare(
          "INSERT INTO ranks(run, rank, node, gpu) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE "
          "SET node = iif(?3 = '', node, ?3), gpu = iif(?4 < 0, gpu, ?4) "
          "WHERE (?3 <> '' AND node <> ?3) OR (?4 >= 0 AND gpu <> ?4)")
      .RunWith(run, place.rank, place.node, place.gpu);
}

Result<RunRanks> ReadRunRanks(Database& db, const RunId& run_id) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  Ranks ranks;
  MUSTER_RETURN_IF_ERROR(ReadRows(db, run.row, ranks));
  MUSTER_RETURN_IF_ERROR(CountPoints(db, run.row, ranks));
  RunRanks answer;
  for (auto& [number, rank] : ranks) answer.ranks.push_back(std::move(rank));
  Statement keys =
      db.Prepare("SELECT DISTINCT key FROM series WHERE run = ? AND rank >= 0 ORDER BY key");
  keys.Bind(0, run.row);
  MUSTER_RETURN_IF_ERROR(
      ForEachRow(keys, [&](Statement& row) { answer.keys.emplace_back(row.Text(0)); }));
  return answer;
}

}  // namespace muster::tracker
