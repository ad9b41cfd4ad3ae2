#pragma once

#include "runtime/base/clock.h"
#include "runtime/wire/http.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// Adds a run's ranks, all JSON, errors as in runtime/wire/http.h. Times are milliseconds since 1970, NaN and
/// infinities strings. Read from the disk, so the routes block.
///
///   GET /api/muster/v1/runs/{id}/ranks
///       {"run_id", "keys": ["step_seconds", ...],
///        "ranks": [{"rank", "node"?, "gpu"?, "last_step", "last_time", "points"}, ...]}
///   GET /api/muster/v1/runs/{id}/ranks/{key...}[?begin=0&end=99&columns=200&worse=high|low|far]
///       One metric over all ranks (tracker/ranks/spread.h, stragglers.h), of steps `begin` to `end`, in at most
///       `columns` (1 to 4000) columns; fewer where many points would have to be read. `worse` is by the metric's
///       name unless it is given. `limit` is not there when slow cannot be told.
///       {"run_id", "key", "worse", "limit"?,
///        "columns": [{"first_step", "last_step", "ranks", "not_finite", "min", "median", "max", "worst"}, ...],
///        "ranks": [{"rank", "node"?, "gpu"?, "last_step", "last_time", "behind", "recent", "lags", "slow"}, ...]}
///   GET /api/muster/v1/runs/{id}/ranks/{key...}?rank=3[&max_results=1000&page_token=...]
///       One rank's history: {"run_id", "key", "rank", "points": [{"step", "timestamp", "value"}, ...],
///        "next_page_token"?}
/// 404 for an unknown run. The store and the clock outlive the router.
void AddRankRoutes(http::Router& router, RunStore& runs, const Clock& clock);

}  // namespace muster::tracker
