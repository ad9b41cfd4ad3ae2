#pragma once

#include "runtime/server/sweep_routes.h"
#include "runtime/wire/http.h"

namespace muster::server {

/// GET /metrics: nodes, slots, sweeps and trials in Prometheus' text format 0.0.4.
void AddServerMetrics(http::Router& router, LateHost& late);

}  // namespace muster::server
