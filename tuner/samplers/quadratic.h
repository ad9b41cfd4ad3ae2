#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

/// A quadratic model of the loss near the best trials. The density of the best trials (TPE) knows where they
/// are but not which way the loss falls; a few least squares do, on whatever is smooth. Its use as a proposal
/// beside a search's own follows Hansen, "A global surrogate assisted CMA-ES" (GECCO 2019): a linear, then a
/// separable, then a full quadratic as points allow, fitted to the best of them with weights that favour them.

namespace muster::tuner {

class Quadratic {
 public:
  /// How many points a model over so many dimensions makes use of.
  static std::size_t PointsOf(std::size_t dimensions);

  /// `points` in [0, 1]^d with finite losses, best first. None when there are fewer than d + 2 points or they
  /// determine nothing.
  static std::optional<Quadratic> Fit(std::span<const std::vector<double>> points,
                                      std::span<const double> losses);

  /// Where the model is least within [0, 1]^d and the ellipsoid around the best point whose half-axes are
  /// `radius` sqrt(d) times the points' spread. The best point itself when the model has nothing better.
  [[nodiscard]] std::vector<double> Minimum(double radius) const;
  /// The root mean square distance of the points from the best one, by coordinate.
  [[nodiscard]] const std::vector<double>& spread() const { return spread_; }

 private:
  Quadratic() = default;
  [[nodiscard]] double At(const std::vector<double>& z) const;
  [[nodiscard]] std::optional<std::vector<double>> Step(double damping) const;

  std::vector<double> centre_, spread_;
  /// slope . z + z . curve z / 2 in z = (x - centre) / spread; curve row by row.
  std::vector<double> slope_, curve_;
};

}  // namespace muster::tuner
