#pragma once

#include <span>
#include <vector>

#include "tuner/gp/lbfgs.h"

/// Gaussian process regression over numbers and states, with maximum a posteriori hyperparameters: Rasmussen
/// and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2 and 5; their letters are used.
///
/// The covariance of two rows x, x' is
///   1 + m M(r) + a t + b t^2,  r^2 = sum of (d_i / l_i)^2,  t = 4 (x - c)(x' - c) over the numbers
/// with M the Matern function of order 5/2 and d_i the difference of a number, or whether a state differs
/// (Hamming's distance). The 1 is the prior of an unknown constant mean, a and b those of a linear and
/// a quadratic trend: near its optimum most of what is searched is a quadratic bowl, which the trend carries
/// further than the Matern part can. An observation has noise s / (its weight).
///
/// Targets are expected to have about mean 0 and variance 1, numbers to lie in a box about as wide as 1
/// with the centre c = 0.

namespace muster::tuner::gp {

/// The rows seen so far, a column a feature: `numbers` of them first, then states, told apart by ==.
struct Rows {
  std::size_t numbers = 0;
  std::vector<std::vector<double>> columns;
  std::vector<double> weights;  ///< one a row, (0, 1]

  Rows(std::size_t numbers, std::size_t states) : numbers(numbers), columns(numbers + states) {}
  [[nodiscard]] std::size_t features() const { return columns.size(); }
  [[nodiscard]] std::size_t size() const { return weights.size(); }
  void Add(std::span<const double> row, double weight);
};

/// Logarithms of what the covariance is made of.
struct Hyperparameters {
  std::vector<double> lengths;                              ///< l, one a feature
  double matern = 0, linear = 0, quadratic = 0, noise = 0;  ///< m, a, b, s

  /// Where a fit starts: about the prior's mode.
  static Hyperparameters Start(std::size_t features);
  [[nodiscard]] std::vector<double> Flat() const;
  static Hyperparameters FromFlat(std::span<const double> flat);
};

/// The least s that a fit answers.
inline constexpr double kNoiseFloor = 1e-8;

/// -log p(targets, hyperparameters) up to a constant, and its gradient in the order of Flat(); +infinity where
/// the covariance is not numerically positive. The priors are l ~ LogNormal(sqrt 2 + log(d) / 2, sqrt 3) with d
/// features (Hvarfner, Hellsten, Nardi, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML
/// 2024), m ~ LogNormal(0, 1), a, b ~ LogNormal(-2, 2), s ~ LogNormal(-4, 1) widened to the left. `over_rows` gets the gradient over the
/// rows' numbers, by columns.
double NegativeLogPosterior(const Rows& rows, std::span<const double> targets,
                            const Hyperparameters& at, std::span<double> gradient,
                            std::vector<std::vector<double>>* over_rows = nullptr);
/// Where Fit looks, in the order of Flat().
Bounds FitBounds(std::size_t features);

/// The mode of the posterior that is downhill from `start`.
Hyperparameters Fit(const Rows& rows, std::span<const double> targets, const Hyperparameters& start,
                    int evaluations);

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
