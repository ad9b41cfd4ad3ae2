#pragma once

#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"
#include "tuner/sampler.h"

namespace muster::coordinator {

/// The objective and then the others.
std::vector<tuner::Goal> GoalsOf(const wire::SweepSpec& spec);

struct State;
/// The finished trials of the sweeps of `spec.warm_start` that fit its space, as values, for SweepSubmitted. Those
/// that the infrastructure ended teach nothing and are left out. kNotFound for a sweep that is not there; kInvalid
/// for one with another objective, or of which no trial fits.
Result<std::vector<wire::ImportedTrial>> TrialsToStartWith(const State& state,
                                                           const wire::SweepSpec& spec);

/// What the tuner is told of a sweep; an error names its key with the path from the sweep file's root.
Result<tuner::SearchSpec> SearchSpecOf(const wire::SweepSpec& spec);

}  // namespace muster::coordinator
