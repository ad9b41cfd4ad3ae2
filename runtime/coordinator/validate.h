#pragma once

#include "runtime/base/result.h"
#include "runtime/coordinator/state.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::coordinator {

/// Checks what the keys of a spec mean, beyond their types: "at sampler: unknown sampler 'tqe'; ...". Every
/// error is kInvalid and begins with the path of the mistake.
Status ValidateSpec(const wire::SweepSpec& spec);

/// An id that a client chose: letters, digits, '-', '_' and '.', at most 128.
Status ValidateSweepId(const SweepId& id);

/// kInvalid when no node that has joined, and none that a pool may bring, could ever hold the gang: "at trial.ranks: ...". Ok
/// when there are none.
Status ValidateGang(const wire::SweepSpec& spec, const State& state);

/// kInvalid when the gang alone is more than its user may ever hold.
/// A trial's parameters, whole; "at lr: ...".
Status ValidateParams(const wire::SweepSpec& spec, const boost::json::object& params);
Status ValidateQuota(const wire::SweepSpec& spec, const std::string& user,
                     const std::map<std::string, Amounts>& quotas);

/// What one node has to have for the gang, or several together: "8 slots, 2 GPUs and 4 licence on one node".
std::string NeedsText(const GangShape& shape);

}  // namespace muster::coordinator
