#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

/// The covariance function of the Gaussian processes, and a row against many at a time. The covariance of two rows
/// x, x' is
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

/// Tells `visit` of every row j against itself and those before it, in order.
void ForEachRow(const Covariance& covariance, const Rows& rows,
                const std::function<void(std::size_t j, const Against&)>& visit);

}  // namespace muster::tuner::gp
