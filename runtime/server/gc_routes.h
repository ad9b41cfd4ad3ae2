#pragma once

#include "runtime/server/gc_worker.h"
#include "runtime/wire/http.h"

namespace muster::server {

/// Adds deleting for good to the API, all JSON, errors as in runtime/wire/http.h:
///   POST /api/muster/v1/tracker/gc        a policy (tracker/gc/policy.h); begins one and answers its state;
///                                         409 while another one is under way
///   GET  /api/muster/v1/tracker/gc        the newest one's state; 404 when there was none
///   GET  /api/muster/v1/tracker/gc/{id}   that one's, of the last 16
/// A state is {"id", "running", "report": {...}} with {"error": {"code", "message"}} when it failed; the report
/// grows while it runs (tracker/gc/policy.h, GcReport). `worker` outlives the router.
void AddGcRoutes(http::Router& router, GcWorker& worker);

}  // namespace muster::server
