#pragma once

#include "runtime/wire/http.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// Adds GET /api/muster/v1/chart?run_id=a&run_id=b&key=loss: a metric's curve of each of 1 to 100 runs, in their order,
/// as the bytes of series/chart_bytes.h: at most `pixels` columns each, which show what one pixel column can
/// (RunStore::ReadChart). A run that is unknown, or has no such metric, has no columns.
///
///   axis=step|time    what stands from left to right; step unless given
///   begin=, end=      the window, both ends in it: steps, or milliseconds since 1970; each curve's own unless given
///   pixels=           1 to 4,000, 1,000 unless given
///
/// 400 for what is not so. `runs` outlives the router.
void AddChartRoutes(http::Router& router, RunStore& runs);

}  // namespace muster::tracker
