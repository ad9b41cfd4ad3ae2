#include <charconv>

#include "tracker/run_rules.h"
#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/erase.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

Result<std::int64_t> RowAfter(std::string_view token) {
  std::int64_t row = 0;
  if (token.empty()) return row;
  const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), row);
  if (error == std::errc() && stop == token.data() + token.size()) return row;
  return Invalid("no page of erasable things begins at '" + std::string(token) + "'");
}

// All three: ?1 the time, ?2 experiments, ?3 runs, ?4 logged models (lists as JSON), ?5 the last row of the page before,
// ?6 how many. Columns: row, id, name, experiment, artifact_uri, deleted_ms, left.
constexpr std::string_view kRuns =
    "SELECT id, run_id, name, experiment, artifact_uri, deleted_ms, 0 FROM runs "
    "WHERE id > ?5 AND deleted = 1 AND deleted_ms <= ?1 "
    "AND (?2 = '[]' OR experiment IN (SELECT CAST(value AS INTEGER) FROM json_each(?2))) "
    "AND (?3 = '[]' OR run_id IN (SELECT value FROM json_each(?3))) "
    "AND (?3 <> '[]' OR ?4 = '[]') ORDER BY id LIMIT ?6";
constexpr std::string_view kModels =
    "SELECT m.id, m.model_id, m.name, m.experiment, m.artifact_uri, "
    "coalesce(m.deleted_ms, e.deleted_ms), 0 "
    "FROM logged_models m JOIN experiments e ON e.id = m.experiment "
    "WHERE m.id > ?5 AND m.deleted < 2 "
    "AND (m.deleted_ms <= ?1 OR (e.deleted_ms <= ?1 AND ?4 = '[]')) "
    "AND (?2 = '[]' OR m.experiment IN (SELECT CAST(value AS INTEGER) FROM json_each(?2))) "
    "AND (?4 = '[]' OR m.model_id IN (SELECT value FROM json_each(?4))) "
    "AND (?4 <> '[]' OR ?3 = '[]') ORDER BY m.id LIMIT ?6";
constexpr std::string_view kExperiments =
    "SELECT id, id, name, id, '', deleted_ms, (SELECT count(*) FROM runs r WHERE r.experiment = "
    "e.id "
    "AND r.deleted < 2 AND coalesce(r.deleted_ms > ?1, 1)) "
    "FROM experiments e WHERE id > max(?5, 0) AND deleted = 1 AND deleted_ms <= ?1 "
    "AND (?2 = '[]' OR id IN (SELECT CAST(value AS INTEGER) FROM json_each(?2))) "
    "AND ?3 = '[]' AND ?4 = '[]' ORDER BY id LIMIT ?6";

std::string_view SelectOf(ErasableKind kind) {
  switch (kind) {
    case ErasableKind::kRun:
      return kRuns;
    case ErasableKind::kLoggedModel:
      return kModels;
    case ErasableKind::kExperiment:
      break;
  }
  return kExperiments;
}

Result<std::int64_t> PointsOf(Database& db, std::int64_t run) {
  Statement chunks = db.Prepare(
      "SELECT coalesce(sum(c.points), 0) FROM series s JOIN chunks c ON c.series = s.id WHERE "
      "s.run = ?");
  chunks.Bind(0, run);
  MUSTER_RETURN_IF_ERROR(chunks.Step());
  std::int64_t points = chunks.Int(0);
  Statement tails =
      db.Prepare("SELECT t.points FROM series s JOIN tail t ON t.series = s.id WHERE s.run = ?");
  tails.Bind(0, run);
  MUSTER_RETURN_IF_ERROR(ForEachRow(tails, [&](const Statement& row) {
    std::vector<Point> decoded;
    if (DecodeChunk(row.Text(0), decoded).ok()) points += std::ssize(decoded);
  }));
  return points;
}

/// `uri` and the folders above it.
std::vector<std::string> WithParents(const std::string& uri) {
  std::vector<std::string> all{uri};
  for (std::size_t slash = uri.rfind('/'); slash != std::string::npos && slash > 0;
       slash = uri.rfind('/', slash - 1)) {
    all.push_back(uri.substr(0, slash));
  }
  return all;
}

Result<bool> HasArtifactsAt(Database& db, const std::string& table, const std::string& uri) {
  Statement here = db.Prepare("SELECT 1 FROM " + table +
                              " WHERE deleted < 2 AND artifact_uri IN (SELECT value FROM "
                              "json_each(?)) LIMIT 1");
  here.Bind(0, JsonArray(WithParents(uri)));
  MUSTER_ASSIGN_OR_RETURN(const bool found, here.Step());
  if (found) return true;
  // What is below is between "uri/" and "uri0": '0' follows '/' in ASCII.
  Statement below =
      db.Prepare("SELECT 1 FROM " + table +
                 " WHERE deleted < 2 AND artifact_uri > ? AND artifact_uri < ? LIMIT 1");
  below.BindAll(std::string_view(uri + "/"), std::string_view(uri + "0"));
  return below.Step();
}

}  // namespace

Result<ErasablePage> FindErasableRows(Database& db, ErasableKind kind, const ErasureScope& scope,
                                      std::int64_t most, std::string_view page_token, bool weigh) {
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t after, RowAfter(page_token));
  Statement rows = db.Prepare(SelectOf(kind));
  rows.BindAll(scope.deleted_before, std::string_view(JsonArray(scope.experiment_ids)),
               std::string_view(JsonArray(scope.run_ids)),
               std::string_view(JsonArray(scope.model_ids)), after, most);
  ErasablePage page;
  std::vector<std::int64_t> ids;
  MUSTER_RETURN_IF_ERROR(ForEachRow(rows, [&](const Statement& row) {
    ids.push_back(row.Int(0));
    page.items.push_back({.kind = kind,
                          .id = std::string(row.Text(1)),
                          .name = std::string(row.Text(2)),
                          .experiment_id = std::string(row.Text(3)),
                          .artifact_uri = std::string(row.Text(4)),
                          .deleted_ms = row.Int(5),
                          .left = row.Int(6)});
  }));
  if (std::ssize(ids) == most) page.next_page_token = std::to_string(ids.back());
  if (!weigh || kind != ErasableKind::kRun) return page;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    MUSTER_ASSIGN_OR_RETURN(page.items[i].points, PointsOf(db, ids[i]));
  }
  return page;
}

Result<std::vector<ErasedRoot>> ReadErasedRoots(Database& db, std::string_view after,
                                                std::int64_t most) {
  std::vector<ErasedRoot> roots;
  {
    Statement rows = db.Prepare(
        "SELECT artifact_uri FROM erased_roots WHERE artifact_uri > ? ORDER BY 1 LIMIT ?");
    rows.BindAll(after, most);
    MUSTER_RETURN_IF_ERROR(ForEachRow(
        rows, [&](const Statement& row) { roots.push_back({std::string(row.Text(0))}); }));
  }
  for (ErasedRoot& root : roots) {
    for (const char* table : {"runs", "logged_models"}) {
      if (root.in_use) break;
      MUSTER_ASSIGN_OR_RETURN(root.in_use, HasArtifactsAt(db, table, root.artifact_uri));
    }
  }
  return roots;
}

}  // namespace muster::tracker
