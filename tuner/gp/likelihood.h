#pragma once

#include <span>
#include <vector>

#include "tuner/gp/covariance.h"
#include "tuner/gp/lbfgs.h"

/// Maximum a posteriori hyperparameters: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006),
/// chapter 5; its letters are used.

namespace muster::tuner::gp {

/// -log p(targets, hyperparameters) up to a constant, and its gradient in the order of Flat(); +infinity where
/// the covariance is not numerically positive. The priors are l ~ LogNormal(sqrt 2 + log(d) / 2, sqrt 3) with d
/// features (Hvarfner, Hellsten, Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML
/// 2024), m ~ LogNormal(0, 1), a, b ~ LogNormal(-2, 2), s ~ LogNormal(-4, 1) widened to the left. `over_rows` gets the
/// gradient over the rows' numbers, by columns.
double NegativeLogPosterior(const Rows& rows, std::span<const double> targets,
                            const Hyperparameters& at, std::span<double> gradient,
                            std::vector<std::vector<double>>* over_rows = nullptr);
/// Where Fit looks, in the order of Flat().
Bounds FitBounds(std::size_t features);

/// The mode of the posterior that is downhill from `start`.
Hyperparameters Fit(const Rows& rows, std::span<const double> targets, const Hyperparameters& start,
                    int evaluations);

}  // namespace muster::tuner::gp
