#pragma once

#include <span>
#include <vector>

#include "tuner/gp/regression.h"

/// The covariance function of regression.h, a row against many at a time.

namespace muster::tuner::gp {

/// Hyperparameters as they are multiplied with.
struct Covariance {
  std::vector<double> inverse_squares;  ///< 1 / l^2
  double matern = 1, linear = 0, quadratic = 0, noise = 0;

  explicit Covariance(const Hyperparameters& at);
  /// Of a row with itself, without noise.
  [[nodiscard]] double Variance(std::span<const double> row, std::size_t numbers) const;
};

/// One row against `count` others, an entry each.
struct Against {
  std::vector<double> matern;  ///< M(r)
  std::vector<double> slope;   ///< dM / d(r^2)
  std::vector<double> trend;   ///< t

  void Compute(const Covariance& covariance, const Rows& rows, std::size_t count,
               std::span<const double> row);
  /// The covariance with entry j.
  [[nodiscard]] double At(const Covariance& covariance, std::size_t j) const {
    return 1 + covariance.matern * matern[j] +
           trend[j] * (covariance.linear + covariance.quadratic * trend[j]);
  }
};

}  // namespace muster::tuner::gp
