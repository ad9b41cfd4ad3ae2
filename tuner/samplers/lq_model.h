#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace muster::tuner {

/// A quadratic fitted to losses by weighted least squares, as simple as the data ask: with 1.1 times as many
/// points as it has coefficients full (up to 16 dimensions), else without mixed terms, else linear; and none with fewer than n + 2
/// points. After Hansen, "A Global Surrogate Assisted CMA-ES" (GECCO 2019): the better a point's rank, the
/// heavier its weight, from 20 down to 1. Points are best given in coordinates in which they spread alike.
class LqModel {
 public:
  struct Datum {
    std::vector<double> z;
    double loss = 0;  ///< finite
  };
  /// `data` best first.
  void Fit(std::span<const Datum* const> data);
  [[nodiscard]] bool fitted() const { return !coefficients_.empty(); }
  /// Whether it knows curvature.
  [[nodiscard]] bool curved() const { return coefficients_.size() > n_ + 1; }
  /// Less the best datum's loss, in some unit: for comparisons.
  [[nodiscard]] double At(std::span<const double> z) const;
  /// Its least point within a ball around 0.
  [[nodiscard]] std::vector<double> Minimum(double radius) const;

  /// Coefficients of the most that n dimensions get: of a full one up to 16, which a fit still takes a
  /// millisecond for, else of one without mixed terms.
  static std::size_t MostCoefficients(std::size_t n) {
    return n <= 16 ? (n + 1) * (n + 2) / 2 : 2 * n + 1;
  }

 private:
  std::size_t n_ = 0;
  std::vector<double> coefficients_;  ///< 1; z_i; z_i^2; z_i z_j, i < j
};

}  // namespace muster::tuner
