#include <utility>

#include "registry/serve/model_server.h"

/// Labels and windows of what is watched.

namespace muster::registry::serve {

Result<monitor::JoinState> ModelServer::Outcome(std::string_view name,
                                                const monitor::OutcomeLabel& label) {
  const auto experiment = ExperimentOn(name);
  std::vector<ServedPtr> versions{Find(name)};
  if (experiment != nullptr) versions = {experiment->champion(), experiment->challenger()};
  std::optional<monitor::JoinState> state;
  for (const ServedPtr& served : versions) {
    if (served == nullptr || served->watch == nullptr) continue;
    MUSTER_ASSIGN_OR_RETURN(const auto labelled, served->watch->Outcome(label));
    state = labelled.state;
    if (labelled.state == monitor::JoinState::kUnknown) continue;  // the other's, perhaps
    if (experiment != nullptr && labelled.right) {
      experiment->Labelled(*served, label.id, *labelled.right);
    }
    return labelled.state;
  }
  if (state) return *state;
  return Unsupported(
      "'" + std::string(name) +
      "' is not watched: its version has no baseline.json, or --no-monitor was given");
}

std::vector<WatchedWindow> ModelServer::TurnWindows() {
  std::vector<ServedPtr> versions = All();
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, experiment] : experiments_)
      versions.push_back(experiment->challenger());
  }
  std::vector<WatchedWindow> ended;
  for (const ServedPtr& served : versions) {
    if (served->watch == nullptr) continue;
    if (auto window = served->watch->Turn()) ended.push_back(std::move(*window));
  }
  return ended;
}

}  // namespace muster::registry::serve
