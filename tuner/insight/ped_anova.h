#pragma once

#include <vector>

#include "tuner/insight/evidence.h"

/// How much each parameter matters for being among the best trials: PED-ANOVA of Watanabe, Bansal and Hutter (IJCAI
/// 2023, arXiv 2304.10255), with conditional parameters as in Hosaka, Watanabe and others (KDD 2026, arXiv
/// 2601.20800). A density of the parameter among the best share gamma' of the trials is compared with its density
/// among the region, the best gamma: Pearson's divergence, on a grid of at most 50 steps.
///
/// The formulas, the kernels (Scott's bandwidth) and the grid are those of Optuna 5's PedAnovaImportanceEvaluator. It
/// differs for what Optuna has not: a float with log and step lies on the grid of the logarithm, and several objectives
/// are looked at one by one.

namespace muster::tuner {

struct PedAnovaShares {
  double target = 0.1;  ///< gamma'; 0 < target < region
  double region = 1;    ///< gamma; at most 1
};

/// Per parameter of the space, 0 or more; all 0 with fewer than two trials. Comparable with one another, not between
/// searches. Trials with the values of the worst of the best share count among them, too.
std::vector<double> PedAnova(const Space& space, const Evidence& seen,
                             const PedAnovaShares& shares = {});

}  // namespace muster::tuner
