#pragma once

#include <span>
#include <vector>

#include "tuner/gp/covariance.h"

/// Gaussian process regression over numbers and states, given hyperparameters: Rasmussen and Williams, "Gaussian
/// Processes for Machine Learning" (2006), chapter 2; its letters are used.

namespace muster::tuner::gp {

/// A normal belief about the noise-free value at one point.
struct Belief {
  double mean = 0, variance = 0;                         ///< variance > 0
  std::vector<double> mean_gradient, variance_gradient;  ///< over the numbers
};

/// The posterior given hyperparameters and rows. Rows are added at n^2 operations each; targets may be given
/// anew at the same price.
class Regression {
 public:
  Regression(const Hyperparameters& hyperparameters, std::size_t numbers, std::size_t states);

  /// A row after those there are; its target is 0 until SetTargets.
  void Add(std::span<const double> row, double weight);
  /// As Add for each of them, n^3 operations in all.
  void Assign(const Rows& rows);
  /// Forgets all rows but the first `count`.
  void Truncate(std::size_t count);
  void SetTargets(std::span<const double> targets);
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  /// The posterior mean at row i, whose target was `target`: K alpha without s alpha.
  [[nodiscard]] double Smoothed(std::size_t i, double target) const;
  [[nodiscard]] const Hyperparameters& hyperparameters() const { return hyperparameters_; }

  /// At a row of features.
  void Predict(std::span<const double> row, Belief& belief, bool gradient) const;
  /// At `count` rows, one after the other in `rows`; means and variances alone.
  void PredictMany(std::span<const double> rows, std::size_t count, std::span<double> means,
                   std::span<double> variances) const;

 private:
  void Reserve(std::size_t rows);

  Hyperparameters hyperparameters_;
  Rows rows_;
  std::vector<double>
      inverse_;  ///< of the Cholesky factor L: lower triangle by columns of `stride_`
  std::size_t stride_ = 0;
  std::vector<double> alpha_;  ///< K^-1 targets
};

}  // namespace muster::tuner::gp
