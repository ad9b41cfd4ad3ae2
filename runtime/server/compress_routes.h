#pragma once

#include "registry/promoter.h"
#include "runtime/server/sweep_routes.h"

namespace muster::server {

/// POST /api/muster/v1/models/{name}/versions/{version}/compress    (an alias may stand for the number)
///   {"form": "auto", "calibration": 0, "metric"?, "agreement"?, "drop"?, "request_id"?}
/// makes a version of its own of the version's smaller form, through the gates of its sweep (registry/promoter.h), and
/// answers {"from", "version", "form", "reason", "gates": [...], "metric",
///          "forms": [{"form", "bytes", "ms_1", "ms_32", "agreement", "metric", "refused"}]}
/// with version 0 when it was refused; "forms" begins with f32, and is empty where nothing was measured (a request id
/// that was answered before). 404 without the version or its trial. Takes seconds to minutes; a bound that is left out
/// is that of the sweep's own `compressed` gate, else wire::CompressedGate's.
///
/// 409 while another one is under way, whose times a second one would disturb. All must outlive the
/// router.
void AddCompressRoutes(http::Router& router, LateHost& late, registry::Promoter::Parts parts);

}  // namespace muster::server
