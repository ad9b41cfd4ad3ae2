#include "runtime/coordinator/search_spec.h"

#include "runtime/wire/error_path.h"

namespace muster::coordinator {

tuner::Goal GoalOf(const wire::ObjectiveSpec& objective) {
  return objective.maximize() ? tuner::Goal::kMaximize : tuner::Goal::kMinimize;
}

Result<tuner::SearchSpec> SearchSpecOf(const wire::SweepSpec& spec) {
  auto space = tuner::ParseSpace(spec.space);
  if (!space.ok()) return wire::Under("space", space.error());
  return tuner::SearchSpec{.space = std::move(space).value(),
                           .seed = spec.seed,
                           .goals = {GoalOf(spec.objective)},
                           .sampler = spec.sampler,
                           .stop = spec.stop,
                           .trials = spec.budget.trials,
                           .parallel = spec.budget.parallel};
}

}  // namespace muster::coordinator
