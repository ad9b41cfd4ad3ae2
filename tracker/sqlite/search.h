#pragma once

#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

/// MLflow's searches as SQL, on a reader's connection with PRAGMA case_sensitive_like on.

namespace muster::tracker {

Result<Page<Run>> SearchRunRows(sqlite::Database& db, const SearchQuery& query);
Result<Page<Experiment>> SearchExperimentRows(sqlite::Database& db, const SearchQuery& query);
Result<Page<LoggedModel>> SearchLoggedModelRows(sqlite::Database& db, const SearchQuery& query);
/// See RunStore::MetricHistory.
Result<Page<Metric>> ReadHistory(sqlite::Database& db, const RunId& run_id, const SeriesKey& key,
                                 std::int64_t max_results, std::string_view page_token);
/// See RunStore::ReadChart.
Result<std::vector<Bucket>> ReadChart(sqlite::Database& db, const RunId& run_id,
                                      std::string_view key, const ChartWindow& window);
/// See RunStore::ReadRankCurves.
Result<RankCurves> ReadRankCurves(sqlite::Database& db, const RunId& run_id, std::string_view key,
                                  const ChartWindow& window);
/// See RunStore::SampleHistory.
Result<std::vector<Metric>> ReadSample(sqlite::Database& db, const RunId& run_id,
                                       std::string_view key, const std::optional<StepRange>& steps,
                                       std::size_t most);
/// See RunStore::SearchDatasets.
Result<std::vector<DatasetSummary>> ReadDatasets(sqlite::Database& db,
                                                 const std::vector<std::string>& experiment_ids);

}  // namespace muster::tracker
