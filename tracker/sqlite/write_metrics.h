#pragma once

#include <span>
#include <vector>

#include "tracker/sqlite/open_series.h"

namespace muster::tracker {

/// Adds points to a run, inside the writer's transaction: what is new goes to the tail or is sealed, each series'
/// latest visible point is brought up to date, and points of logged models are kept with those, too.
Status WriteMetrics(sqlite::Database& db, OpenSeriesCache& cache, const RunRow& run,
                    const RunId& run_id, const std::vector<Metric>& metrics);

/// Hides the points of earlier attempts beyond `step` and finds each series' latest visible point anew.
Status WriteResume(sqlite::Database& db, OpenSeriesCache& cache, const RunId& run_id,
                   std::int64_t attempt, std::int64_t step);

}  // namespace muster::tracker
