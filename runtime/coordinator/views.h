#pragma once

#include <boost/json/value.hpp>

#include "runtime/base/result.h"
#include "runtime/coordinator/coordinator.h"

/// The state for people: what /api/muster/v1 answers (structs in runtime/wire/api.h).

namespace muster::coordinator {

/// A moment, for "lost" and for time that still runs.
struct Moment {
  MonotonicTime now;
  UnixMillis unix_now = 0;
};

/// [SweepSummary], newest first.
boost::json::value SweepsView(const Coordinator& coordinator, Moment moment);
/// SweepDetail. kNotFound.
Result<boost::json::value> SweepView(const Coordinator& coordinator, const SweepId& id,
                                     Moment moment);
/// [TrialSummary] by number. kNotFound.
Result<boost::json::value> TrialsView(const Coordinator& coordinator, const SweepId& id,
                                      Moment moment);
/// TrialDetail. kNotFound.
Result<boost::json::value> TrialView(const Coordinator& coordinator, const TrialId& id,
                                     Moment moment);
/// [NodeSummary].
/// Users with a quota or with gangs that run: [{"user", "most": {...}, "held": {...}}], amounts as in QuotaSet.
boost::json::value QuotasView(const Coordinator& coordinator, Moment moment);
boost::json::value NodesView(const Coordinator& coordinator, Moment moment);
/// [PoolSummary], by name.
boost::json::value PoolsView(const Coordinator& coordinator, Moment moment);
/// Allocations whose job the host looks for: [{"pool", "key", "task", "allocation", "site"}] in the order in which they
/// were asked for.
boost::json::value AllocationsView(const Coordinator& coordinator);
/// Allocations that have ended and of which it is not known yet what they cost (AllocationUsed): [{"allocation", "key",
/// "job", "site", "ended_ms", "ready"}]; one that is not ready is not to be told of yet.
boost::json::value UncountedView(const Coordinator& coordinator);
/// {"explanation": "...", "lines": ["..."]}: why the sweep or trial stands where it stands. kNotFound.
Result<boost::json::value> ExplainSweep(const Coordinator& coordinator, const SweepId& id,
                                        Moment moment);
Result<boost::json::value> ExplainTrial(const Coordinator& coordinator, const TrialId& id,
                                        Moment moment);

}  // namespace muster::coordinator
