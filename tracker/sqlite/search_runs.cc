#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

Place LocateInRun(std::string_view entity, std::string_view key) {
  if (entity == "param") return Keyed("params", "run", "r");
  if (entity == "tag") return Keyed("tags", "run", "r");
  if (entity == "metric") {
    return {.column = "latest_value",
            .from = " FROM series WHERE run = r.id AND rank = -1 AND key = ?",
            .keyed = true,
            .nan_column = "latest_nan"};
  }
  if (entity == "dataset" && key == "context") {
    return {.column = "t.value",
            .from =
                " FROM dataset_inputs i JOIN input_tags t ON t.input = i.id "
                "WHERE i.run = r.id AND t.key = '" +
                std::string(kDatasetContextTag) + "'"};
  }
  if (entity == "dataset") {
    return {
        .column = "d." + std::string(key),
        .from = " FROM dataset_inputs i JOIN datasets d ON d.id = i.dataset WHERE i.run = r.id"};
  }
  if (key == "run_name") return {.column = "r.name"};
  if (key == "start_time" || key == "end_time") return {.column = "r." + std::string(key) + "_ms"};
  return {.column = "r." + std::string(key)};
}

}  // namespace

Result<Page<Run>> SearchRunRows(Database& db, const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  Sql sql;
  sql.Add(
      "SELECT r.id FROM runs r WHERE r.experiment IN (SELECT CAST(value AS INTEGER) FROM "
      "json_each(?))",
      JsonArray(query.experiment_ids));
  sql.Add(ViewCondition("r", query.view));
  MUSTER_ASSIGN_OR_RETURN(auto ids, SearchIds(db, std::move(sql), query, RunGrammar(), LocateInRun,
                                              "r.start_time_ms DESC, r.run_id"));
  MUSTER_ASSIGN_OR_RETURN(std::vector<Run> runs, ReadRuns(db, ids.items));
  for (Run& run : runs) run.model_inputs.clear();  // MLflow's search answers outputs, not inputs
  return Page<Run>{std::move(runs), std::move(ids.next_page_token)};
}

}  // namespace muster::tracker
