#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tuner/history.h"

namespace muster::tuner {

/// A history as TPE sees it: which trials are the best ("below") and which are the rest. Indices are into
/// History::trials().
struct TpeSplit {
  /// Best first, as many as were asked for at most; the first `below` of them are the best.
  std::vector<std::size_t> ranked;
  std::size_t below = 0;
  /// The first so many of `ranked` have comparable losses, which stand here.
  std::vector<double> losses;
  /// Trials that something was learnt from; those that ended; those that broke.
  std::size_t usable = 0, finished = 0, broken = 0;
  /// What the ranking compares: losses at this rung; none: final ones.
  std::optional<std::int64_t> rung;
};

/// Best first: complete ones by loss, pruned ones by how far they came and then by loss (Optuna 5.0.0's order),
/// last those that violate a constraint, by how much; ties by trial number. `share` of the finished trials,
/// rounded up and at most `most`, are below.
///
/// With `rungs` (ascending steps) trials that stop early are compared where they can be: by the losses at the
/// largest rung that at least `enough` trials have reached, and once as many are complete, by their final ones:
/// Falkner, Klein, Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale" (ICML 2018; their
/// |D_b| >= N_min). The others rank after them, by the last rung that they reached and their loss there. Trials
/// that run or wait rank like pruned ones once they have reached a rung, and count as finished.
struct SplitRule {
  double share = 0.1;
  std::size_t most = 25;
  std::vector<std::int64_t> rungs;
  std::size_t enough = 0;
};
/// With several objectives, complete trials rank by front (pareto.h), and within the front that `below` cuts by
/// what they add to the volume that it dominates (hypervolume.h, up to three objectives; beyond, and among equal
/// ones, by their distance to their neighbours). The reference point is Optuna's: max(1.1 w, 0.9 w) for the worst
/// loss w. There are no comparable losses then.
TpeSplit SplitTrials(const History& history, const SplitRule& rule, std::size_t wanted);

}  // namespace muster::tuner
