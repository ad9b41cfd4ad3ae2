#pragma once

#include "runtime/wire/http.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// As many exports at a time; each has a thread and about a MiB.
inline constexpr int kMostExports = 4;

/// Adds GET /api/muster/v1/export/{table}.{csv|arrow} (tables as in export.h), streamed, with the parameters
/// experiment_ids (may come several times; default all active ones), filter (of runs) and view (ACTIVE_ONLY,
/// DELETED_ONLY or ALL). 404 for another name, 400 for a parameter, 503 beyond kMostExports. A body that breaks
/// off lacks its last chunk (and an Arrow file its footer). `runs` outlives the server.
void AddExportRoutes(http::Router& router, RunStore& runs);

}  // namespace muster::tracker
