#include "tuner/insight/evidence.h"

#include <cmath>

namespace muster::tuner {

Evidence Gather(const Space& space, const History& history, std::size_t objective) {
  Evidence seen;
  for (const Trial& trial : history.trials()) {
    if (trial.state != TrialState::kComplete || !std::isfinite(trial.losses[objective])) continue;
    seen.points.push_back(space.Encode(trial.params));
    seen.losses.push_back(trial.losses[objective]);
  }
  return seen;
}

}  // namespace muster::tuner
