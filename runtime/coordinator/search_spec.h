#pragma once

#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"
#include "tuner/sampler.h"

namespace muster::coordinator {

/// TrialCreated::by of a trial that a scheduler cloned.
inline constexpr std::string_view kByClone = "clone";
/// And of one that a person put into the queue.
inline constexpr std::string_view kByPeople = "enqueued";

tuner::Goal GoalOf(const wire::ObjectiveSpec& objective);
/// What the tuner is told of a sweep; an error names its key with the path from the sweep file's root.
Result<tuner::SearchSpec> SearchSpecOf(const wire::SweepSpec& spec);

}  // namespace muster::coordinator
