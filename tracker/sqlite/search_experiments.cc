#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

Place LocateInExperiment(std::string_view entity, std::string_view key) {
  if (entity == "tag") return Keyed("experiment_tags", "experiment", "e");
  if (key == "name") return {.column = "e.name"};
  if (key == "experiment_id") return {.column = "CAST(e.id AS TEXT)"};
  return {.column = "e." + std::string(key) + "_ms"};
}

}  // namespace

Result<Page<Experiment>> SearchExperimentRows(Database& db, const SearchQuery& query) {
  Sql sql;
  sql.Add("SELECT e.id FROM experiments e WHERE 1" + ViewCondition("e", query.view));
  const std::string_view tie_break =
      query.order_by.empty() ? "e.creation_time_ms DESC, e.id ASC" : "e.id DESC";
  MUSTER_ASSIGN_OR_RETURN(auto ids, SearchIds(db, std::move(sql), query, ExperimentGrammar(),
                                              LocateInExperiment, tie_break));
  return ReadPage<Experiment>(
      std::move(ids), [&](std::int64_t row) { return ReadExperiment(db, std::to_string(row)); });
}

}  // namespace muster::tracker
