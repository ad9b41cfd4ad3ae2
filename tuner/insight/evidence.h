#pragma once

#include <vector>

#include "tuner/history.h"
#include "tuner/space.h"

namespace muster::tuner {

/// What looking back works on: the complete trials with a finite loss in the objective, imported ones too. Failed,
/// pruned and lost trials have no value and are not there. Weights do not count.
struct Evidence {
  std::vector<Point>
      points;  ///< as the space is now; a parameter that a trial did not have is inactive
  std::vector<double> losses;
};

/// `objective` is an index in history.goals().
Evidence Gather(const Space& space, const History& history, std::size_t objective);

}  // namespace muster::tuner
