#pragma once

#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"
#include "tracker/sqlite/open_series.h"

namespace muster::tracker {

/// Writes a prepared batch (PrepareBatch) to an active run, inside the writer's transaction: points that are
/// new, each series' latest point, params, tags, and points of logged models. kNotFound, kInvalid.
Status WriteBatch(sqlite::Database& db, OpenSeriesCache& cache, const RunId& run_id,
                  const Batch& batch);

}  // namespace muster::tracker
