#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

Result<std::vector<DatasetSummary>> ReadDatasets(sqlite::Database& db,
                                                 const std::vector<std::string>& experiment_ids) {
  for (const std::string& id : experiment_ids) MUSTER_RETURN_IF_ERROR(ParseExperimentId(id));
  auto rows = db.Prepare(
      "SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM datasets d "
      "JOIN dataset_inputs i ON i.dataset = d.id JOIN runs r ON r.id = i.run AND r.deleted < 2 "
      "LEFT JOIN input_tags t ON t.input = i.id AND t.key = ? "
      "WHERE d.experiment IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) "
      "ORDER BY d.experiment, d.name, d.digest, t.value LIMIT ?");
  rows.BindAll(kDatasetContextTag, JsonArray(experiment_ids), kMaxDatasetSummaries);
  std::vector<DatasetSummary> found;
  MUSTER_RETURN_IF_ERROR(ForEachRow(rows, [&](const sqlite::Statement& row) {
    found.push_back({.experiment_id = std::to_string(row.Int(0)),
                     .name = std::string(row.Text(1)),
                     .digest = std::string(row.Text(2)),
                     .context = {}});
    if (!row.IsNull(3)) found.back().context = row.Text(3);
  }));
  return found;
}

}  // namespace muster::tracker
