#pragma once

#include <functional>

#include "runtime/server/sweep_routes.h"
#include "runtime/wire/http.h"
#include "runtime/wire/pool_spec.h"

namespace muster::server {

/// Pools of nodes that batch systems lend, under /api/muster/v1:
///   GET  pools                {"pools": [PoolSummary]}
///   POST pools                {"spec": PoolSpec, "check": whether the batch system is asked first (true)} -> {}
///   POST pools/{name}/pause   {"reason"} -> {}; likewise resume, remove
/// `late` and what `check` reaches outlive the router.
void AddPoolRoutes(http::Router& router, LateHost& late,
                   std::function<Status(const wire::PoolSpec&)> check);

}  // namespace muster::server
