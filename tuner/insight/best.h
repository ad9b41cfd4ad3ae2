#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tuner/history.h"

namespace muster::tuner {

/// A trial that was better than all that had ended before it.
struct Improvement {
  std::int64_t trial = 0;
  std::int64_t ended = 0;  ///< how many trials had ended then, this one included
  double loss = 0;
};

struct BestCourse {
  std::vector<Improvement> improvements;  ///< oldest first
  std::int64_t ended = 0;                 ///< how many trials have ended
  std::int64_t newest = -1;               ///< the one that ended last
};

/// The best so far over the trials, in the order in which they ended: each improvement of one objective.
/// Only complete trials that keep their constraints improve; lost ones do not count as ended, nor do imported ones; a
/// trial that was run again counts where it ended last. NaN never improves.
BestCourse BestSoFar(const History& history, std::size_t objective);

/// The trials that no other dominates, by number, imported ones included: of one objective the best, and those equal
/// to it. Only complete ones with finite losses that keep their constraints.
std::vector<std::int64_t> Front(const History& history);

}  // namespace muster::tuner
