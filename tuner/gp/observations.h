#pragma once

#include <memory>
#include <vector>

#include "tuner/history.h"
#include "tuner/space.h"

/// A history as a Gaussian process learns it.

namespace muster::tuner::gp {

/// A point with every coordinate present: a number in [0, 1] (1/2 where inactive), a choice its index (-1 where
/// inactive). Whether a number is active follows from the choices, which the covariance sees.
using Unit = std::vector<double>;

Unit ToUnit(const Space& space, const Point& point);
/// A point of the space near it: numbers snapped, inactive ones out, constraints between parameters kept.
Point ToPoint(const Space& space, const Unit& unit);

struct Observation {
  std::int64_t number = 0;
  Unit unit{};
  bool broke = false;  ///< taught to P(feasible) alone
  bool cut = false;    ///< pruned: `loss` is of its last report
  double loss = 0;     ///< finite unless broke
  double weight = 1;
  std::vector<double> constraints{};

  [[nodiscard]] bool feasible() const;
};

/// What has finished, imports first, then in the order in which it ended. Lost trials are left out.
class Observations {
 public:
  explicit Observations(std::shared_ptr<const Space> space) : space_(std::move(space)) {}
  /// Reads what is new. True when what was read before no longer holds: a finished trial was resumed.
  bool Read(const History& history);
  [[nodiscard]] const std::vector<Observation>& all() const { return all_; }
  /// How many have a loss.
  [[nodiscard]] std::size_t losses() const { return losses_; }

 private:
  void Add(const Trial& trial);

  std::shared_ptr<const Space> space_;
  std::vector<Observation> all_;
  std::vector<bool> finished_;  ///< by trial number
  std::size_t losses_ = 0, cursor_ = 0;
  bool begun_ = false;
};

/// Losses as targets of mean 0 and variance 1: y -> log(1 + bend (y - best) / (median - best)), standardised. Losses of
/// one search span decades; the bend (0: none) takes from the bad ones what the good ones need to be told apart.
std::vector<double> Warp(const std::vector<double>& losses, double bend);

}  // namespace muster::tuner::gp
