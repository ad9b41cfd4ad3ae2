#include "runtime/coordinator/search_spec.h"

#include "runtime/coordinator/state.h"
#include "runtime/wire/error_path.h"

namespace muster::coordinator {

tuner::Goal GoalOf(const wire::ObjectiveSpec& objective) {
  return objective.maximize() ? tuner::Goal::kMaximize : tuner::Goal::kMinimize;
}

Result<std::vector<wire::ImportedTrial>> TrialsToStartWith(const State& state,
                                                           const wire::SweepSpec& spec) {
  std::vector<wire::ImportedTrial> imported;
  MUSTER_ASSIGN_OR_RETURN(const auto search, SearchSpecOf(spec));
  for (std::size_t i = 0; i < spec.warm_start.size(); ++i) {
    const auto& [name, weight] = spec.warm_start[i];
    const std::string where = "at warm_start[" + std::to_string(i) + "].sweep: ";
    const Sweep* earlier = state.FindSweep(SweepId(name));
    if (earlier == nullptr) return NotFound(where + "there is no sweep '" + name + "'");
    const auto& objective = earlier->spec.objective;
    if (objective.metric != spec.objective.metric || objective.goal != spec.objective.goal) {
      return Invalid(where + name + " has the objective " + objective.goal + " " +
                     objective.metric + "; wanted " + spec.objective.goal + " " +
                     spec.objective.metric);
    }
    const std::size_t before = imported.size();
    for (const tuner::Trial& trial : earlier->history.trials()) {
      const bool complete = trial.state == tuner::TrialState::kComplete;
      if (!complete && trial.state != tuner::TrialState::kFailed) continue;
      if (!search.space->Check(trial.params).ok()) continue;
      wire::ImportedTrial one{tuner::ParamsToJson(trial.params), complete ? "complete" : "failed"};
      if (complete) one.values = {tuner::ValueOf(trial.losses[0], GoalOf(spec.objective))};
      one.weight = weight * trial.weight;
      imported.push_back(std::move(one));
    }
    if (imported.size() > before) continue;
    return Invalid(where + "none of the " + std::to_string(earlier->history.trials().size()) +
                   " trials of " + name + " is complete or failed and lies in this space");
  }
  return imported;
}

Result<tuner::SearchSpec> SearchSpecOf(const wire::SweepSpec& spec) {
  auto space = tuner::ParseSpace(spec.space, spec.constraints);
  if (!space.ok()) {
    const bool constraint = space.error().message.starts_with("at constraints");
    return constraint ? space.error() : wire::Under("space", space.error());
  }
  return tuner::SearchSpec{.space = std::move(space).value(),
                           .seed = spec.seed,
                           .goals = {GoalOf(spec.objective)},
                           .sampler = spec.sampler,
                           .stop = spec.stop,
                           .trials = spec.budget.trials,
                           .parallel = spec.budget.parallel};
}

}  // namespace muster::coordinator
