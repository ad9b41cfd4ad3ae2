#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tuner/gp/covariance.h"

/// Warped inputs: Snoek, Swersky, Zemel, Adams, "Input Warping for Bayesian Optimization of Non-Stationary
/// Functions" (ICML 2014), with Kumaraswamy's distribution function in the place of the Beta's, as HEBO has it
/// (Cowen-Rivers et al., JAIR 74, 2022).

namespace muster::tuner::gp {

/// w(u) = 1 - (1 - u^a)^b on [0, 1], the identity beyond; a, b > 0.
struct InputWarp {
  double a = 1, b = 1;

  [[nodiscard]] double At(double u) const;
  [[nodiscard]] double Inverse(double w) const;
  /// Derivatives at u, moved a little into (0, 1): over u, over log a and over log b.
  struct Slopes {
    double over_u = 1, over_a = 0, over_b = 0;
  };
  [[nodiscard]] Slopes SlopesAt(double u) const;
};

struct WarpedFit {
  Hyperparameters hyperparameters;
  std::vector<InputWarp> warps;  ///< one a number
};

/// Of `rows` that are u - 1/2, from the `plain` fit without warps on: with warps whose log a and log b have a normal
/// prior of mean 0. Nothing where they gain less than Schwarz's criterion asks of two parameters a number: a warp
/// that the data do not call for costs more than it finds.
std::optional<WarpedFit> FitWarped(const Rows& rows, std::span<const double> targets,
                                   const Hyperparameters& plain, int evaluations);

}  // namespace muster::tuner::gp
