#include "runtime/coordinator/search_spec.h"

#include "runtime/coordinator/state.h"
#include "runtime/wire/error_path.h"

namespace muster::coordinator {

std::vector<tuner::Goal> GoalsOf(const wire::SweepSpec& spec) {
  const auto goal = [](const wire::ObjectiveSpec& objective) {
    return objective.maximize() ? tuner::Goal::kMaximize : tuner::Goal::kMinimize;
  };
  std::vector<tuner::Goal> goals{goal(spec.objective)};
  for (const auto& objective : spec.more_objectives) goals.push_back(goal(objective));
  return goals;
}

namespace {

/// "maximize accuracy, minimize latency"
std::string ObjectivesText(const wire::SweepSpec& spec) {
  std::string text = spec.objective.goal + " " + spec.objective.metric;
  for (const auto& objective : spec.more_objectives) {
    text += ", " + objective.goal + " " + objective.metric;
  }
  return text;
}

}  // namespace

Result<std::vector<wire::ImportedTrial>> TrialsToStartWith(const State& state,
                                                           const wire::SweepSpec& spec) {
  std::vector<wire::ImportedTrial> imported;
  MUSTER_ASSIGN_OR_RETURN(const auto search, SearchSpecOf(spec));
  for (std::size_t i = 0; i < spec.warm_start.size(); ++i) {
    const auto& [name, weight] = spec.warm_start[i];
    const std::string where = "at warm_start[" + std::to_string(i) + "].sweep: ";
    const Sweep* earlier = state.FindSweep(SweepId(name));
    if (earlier == nullptr) return NotFound(where + "there is no sweep '" + name + "'");
    const std::string seen = ObjectivesText(earlier->spec), wanted = ObjectivesText(spec);
    if (seen != wanted) {
      return Invalid(where + "the objective of " + name + " is to " + seen + "; wanted " + wanted);
    }
    const std::size_t before = imported.size();
    for (const tuner::Trial& trial : earlier->history.trials()) {
      const bool complete = trial.state == tuner::TrialState::kComplete;
      if (!complete && trial.state != tuner::TrialState::kFailed) continue;
      if (!search.space->Check(trial.params).ok()) continue;
      wire::ImportedTrial one{tuner::ParamsToJson(trial.params), complete ? "complete" : "failed"};
      for (std::size_t k = 0; k < trial.losses.size(); ++k) {
        one.values.push_back(tuner::ValueOf(trial.losses[k], search.goals[k]));
      }
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
                           .goals = GoalsOf(spec),
                           .sampler = spec.sampler,
                           .stop = spec.stop,
                           .trials = spec.budget.trials,
                           .parallel = spec.budget.parallel};
}

}  // namespace muster::coordinator
