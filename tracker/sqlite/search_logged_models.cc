#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

std::string Literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) literal += c == '\'' ? "''" : std::string(1, c);
  return literal + "'";
}

/// " AND ..." for what of the dataset is not empty.
std::string OnDataset(const DatasetName& dataset) {
  std::string condition;
  if (!dataset.name.empty()) condition += " AND dataset_name = " + Literal(dataset.name);
  if (!dataset.digest.empty()) condition += " AND dataset_digest = " + Literal(dataset.digest);
  return condition;
}

/// " AND (...)": only metrics on one of these datasets; empty for none.
std::string OnDatasets(const std::vector<DatasetName>& datasets) {
  std::string condition;
  for (const DatasetName& dataset : datasets) {
    condition += (condition.empty() ? "(1" : " OR (1") + OnDataset(dataset) + ")";
  }
  return condition.empty() ? "" : " AND (" + condition + ")";
}

Place LocateInModel(std::string_view entity, std::string_view key, const std::string& on_datasets) {
  if (entity == "tag") return Keyed("logged_model_tags", "model", "m");
  if (entity == "param") return Keyed("logged_model_params", "model", "m");
  if (entity == "metric") {
    // The latest over all runs, and over the datasets that are asked for.
    return {.column = "value",
            .from =
                " FROM (SELECT value, nan FROM logged_model_metrics WHERE model = m.id "
                "AND key = ?" +
                on_datasets + " ORDER BY step DESC, ts DESC, value DESC LIMIT 1) WHERE 1",
            .keyed = true,
            .nan_column = "nan"};
  }
  if (key == "status") {
    return {.column = "replace(substr(m.status, length('LOGGED_MODEL_') + 1), 'UPLOAD_', '')"};
  }
  if (key == "creation_timestamp") return {.column = "m.creation_ms"};
  if (key == "last_updated_timestamp") return {.column = "m.last_updated_ms"};
  return {.column = "m." + std::string(key)};
}

}  // namespace

Result<Page<LoggedModel>> SearchLoggedModelRows(Database& db, const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  Sql sql;
  sql.Add(
      "SELECT m.id FROM logged_models m WHERE m.deleted = 0 AND m.experiment IN "
      "(SELECT CAST(value AS INTEGER) FROM json_each(?))",
      JsonArray(query.experiment_ids));
  const std::string on_datasets = OnDatasets(query.datasets);
  if (!on_datasets.empty()) {
    sql.Add(" AND EXISTS (SELECT 1 FROM logged_model_metrics WHERE model = m.id" + on_datasets +
            ")");
  }
  const auto locate = [](const std::string& on) -> Locate {
    return [on](std::string_view entity, std::string_view key) {
      return LocateInModel(entity, key, on);
    };
  };
  MUSTER_ASSIGN_OR_RETURN(const Search search, ParseSearch(query, LoggedModelGrammar()));
  AddConditions(sql, search, locate(on_datasets));
  sql.Add(" ORDER BY ");
  for (std::size_t i = 0; i < search.orders.size(); ++i) {
    const std::string on = query.order_datasets.empty() ? "" : OnDataset(query.order_datasets[i]);
    AddOrders(sql, std::span(&search.orders[i], 1), locate(on_datasets + on), "");
  }
  sql.Add("m.creation_ms DESC, m.model_id");
  std::vector<std::int64_t> ids;
  MUSTER_RETURN_IF_ERROR(SelectIds(db, std::move(sql), search.most + 1, search.offset, ids));
  return ReadPage<LoggedModel>(PageOf(std::move(ids), search),
                               [&](std::int64_t row) { return ReadLoggedModel(db, row); });
}

}  // namespace muster::tracker
