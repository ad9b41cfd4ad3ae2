#pragma once

#include <optional>

#include "runtime/wire/http.h"
#include "tracker/run_store.h"

/// Which rank of a run writes, beside what MLflow knows. runs/log-metric and runs/log-batch take:
///   X-Muster-Rank: 3      0 to 999999: the metrics go to that rank's series, and rank 0's to the run's own, too
///   X-Muster-Node: n1     optional, with a rank: where it runs, 1 to 255 visible ASCII characters
///   X-Muster-Gpu: 0       optional, with a rank: its GPU on that node, 0 to 1023
/// Params and tags are the run's, whoever logs them. Every other route leaves the headers alone.

namespace muster::tracker {

/// Nothing without the headers. kInvalid names the wrong one.
Result<std::optional<RankPlace>> RankOf(const http::Request& request);

/// The metrics become the rank's, and its place is told.
void GiveTo(const RankPlace& rank, Batch& batch);

}  // namespace muster::tracker
