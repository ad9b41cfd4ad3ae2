#pragma once

#include <memory>
#include <vector>

#include "tuner/history.h"
#include "tuner/space.h"

namespace muster::tuner {

/// The probability that a configuration does not break its trial, learnt from those that did and did not:
///
///   P(ok | x) = 1 / (1 + (r_ok / r_broken)^4) ^ (1 + 4 s)
///
/// r is the mean distance of x to the two nearest trials of a kind: what Bayes' rule gives with the
/// nearest-neighbour density estimates of Loftsgaarden and Quesenberry (1965), n q(x) ~ r^-D, with D = 4 for any
/// space. It has no length scale, so the border to a region that fails is found as finely as trials lie there.
/// The more of the trials broke (s, a share), the more caution. Distances are in unit coordinates; a choice
/// that differs, or a parameter that only one of them has, counts as 1.
class Feasibility {
 public:
  explicit Feasibility(std::shared_ptr<const Space> space) : space_(std::move(space)) {}
  /// Learns from the newest 4,096 trials that ended well or broke; `points` are those of all trials.
  void Fit(const History& history, const std::vector<Point>& points);
  /// Trials that broke among them.
  [[nodiscard]] std::size_t broken() const { return broken_.size() / space_->size(); }
  /// log P(ok | x), 0 when nothing broke.
  [[nodiscard]] double LogOk(const Point& point) const;

 private:
  [[nodiscard]] std::vector<double> Unit(const Point& point) const;
  /// The mean distance to the nearest two of `rows`; 2 sqrt(size) where there is none.
  [[nodiscard]] double Near(const std::vector<double>& x, const std::vector<double>& rows) const;

  std::shared_ptr<const Space> space_;
  std::vector<double> ok_, broken_;  ///< unit coordinates, trial by trial
};

}  // namespace muster::tuner
