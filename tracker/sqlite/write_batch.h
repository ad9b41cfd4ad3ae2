#pragma once

#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// Writes a prepared batch (PrepareBatch) to an active run, inside the writer's transaction: points that are
/// new, each series' latest point, params, tags, and points of logged models. kNotFound, kInvalid.
Status WriteBatch(sqlite::Database& db, const RunId& run_id, const Batch& batch);

/// Hides the points of earlier attempts beyond `step` and finds each series' latest visible point anew.
Status WriteResume(sqlite::Database& db, const RunId& run_id, std::int64_t attempt,
                   std::int64_t step);

}  // namespace muster::tracker
