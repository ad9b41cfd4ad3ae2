#pragma once

#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// Takes over what `place` knows, inside the writer's transaction. `run` is the run's row.
Status WriteRankPlace(sqlite::Database& db, std::int64_t run, const RankPlace& place);

/// See RunStore::ReadRanks.
Result<RunRanks> ReadRunRanks(sqlite::Database& db, const RunId& run_id);

}  // namespace muster::tracker
