#pragma once

#include <span>
#include <vector>

#include "tuner/gp/covariance.h"
#include "tuner/gp/observations.h"
#include "tuner/gp/warp.h"

namespace muster::tuner::gp {

/// How the features of a regression come from a Unit: its numbers u as z = A (u - c), then its states as they are.
class Chart {
 public:
  /// The whole space: z = u - 1/2.
  static Chart Whole(const Space& space);
  /// The whole space warped: z = w(u) - 1/2.
  static Chart Warped(const Space& space, std::vector<InputWarp> warps);
  /// The surroundings of `units`, the best first, as they lie: c is the best one and A makes their covariance
  /// about its mean 0.3^2 I, so that a narrow slanted valley becomes round. Better ones count more.
  static Chart Around(const Space& space, const std::vector<const Unit*>& units);

  [[nodiscard]] std::size_t numbers() const { return numbers_.size(); }
  [[nodiscard]] std::size_t states() const { return states_.size(); }
  [[nodiscard]] std::size_t features() const { return numbers() + states(); }
  /// Which coordinates of a Unit are numbers, in the order of u.
  [[nodiscard]] const std::vector<std::size_t>& coordinates() const { return numbers_; }

  void ToRow(const Unit& unit, std::span<double> row) const;
  /// Writes c + A^-1 z to the numbers of `unit`.
  void FromRow(std::span<const double> z, Unit& unit) const;
  /// At a unit: a gradient over z as one over u, and one over u as one over z: A' g and A^-1' g.
  [[nodiscard]] std::vector<double> Pull(std::span<const double> over_z, const Unit& unit) const;
  [[nodiscard]] std::vector<double> Push(std::span<const double> over_u, const Unit& unit) const;
  [[nodiscard]] Rows ToRows(const std::vector<const Unit*>& units,
                            const std::vector<double>& weights) const;

 private:
  explicit Chart(const Space& space);

  std::vector<std::size_t> numbers_, states_;
  std::vector<double> centre_;
  std::vector<InputWarp> warps_;            ///< empty: none
  std::vector<double> forward_, backward_;  ///< A and its inverse by rows; empty: the identity
};

}  // namespace muster::tuner::gp
