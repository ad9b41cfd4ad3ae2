#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"
#include "tracker/sqlite/open_series.h"

/// Writes to runs other than batches, inside the writer's transaction. Semantics and errors are those of the
/// RunStore method of the same name.

namespace muster::tracker {

/// `run` need not be complete (CompleteRun).
Result<Run> CreateRunRow(sqlite::Database& db, NewRun run);
/// A run that ends has its points sealed.
Result<RunInfo> UpdateRunRow(sqlite::Database& db, OpenSeriesCache& cache, const RunId& run_id,
                             const RunUpdate& update);
/// Deleted again it keeps the time.
Status SetRunRowDeleted(sqlite::Database& db, const RunId& run_id, bool deleted, UnixMillis now);
Status DeleteRunRowTag(sqlite::Database& db, const RunId& run_id, const std::string& key);
Status ChangeRunRowTag(sqlite::Database& db, const RunId& run_id, const std::string& key,
                       const TagChange& change);
Status LogInputRows(sqlite::Database& db, const RunId& run_id,
                    const std::vector<DatasetInput>& datasets,
                    const std::vector<std::string>& model_ids);
Status LogOutputRows(sqlite::Database& db, const RunId& run_id,
                     const std::vector<std::pair<std::string, std::int64_t>>& models);

}  // namespace muster::tracker
