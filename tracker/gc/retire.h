#pragma once

#include <string>
#include <vector>

#include "tracker/gc/progress.h"

namespace muster::tracker {

/// Deletes, softly, the live runs of these experiments that the policy's rules do not keep; with `dry_run` counts
/// them. Those that a registered model version comes from stay.
Status RetireRuns(const GcParts& parts, const GcPolicy& policy,
                  const std::vector<std::string>& experiment_ids, GcProgress& progress);

}  // namespace muster::tracker
