#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "tuner/history.h"
#include "tuner/samplers/cmaes_model.h"
#include "tuner/space.h"

namespace muster::tuner {

/// A space as CMA-ES sees it: numbers are coordinates in [0, 1], choices are indices beside them. Numbers of
/// one value only are left out.
class CmaSpace {
 public:
  explicit CmaSpace(std::shared_ptr<const Space> space);

  [[nodiscard]] std::size_t numbers() const { return numbers_.size(); }
  [[nodiscard]] std::size_t choices() const { return choices_.size(); }
  /// How many values the choice has.
  [[nodiscard]] std::size_t Values(std::size_t choice) const;
  /// The width of the cell around `u` of a number with a step, in units of [0, 1]; 0 without a step.
  [[nodiscard]] double CellWidth(std::size_t number, double u) const;

  struct Place {
    Vector x;                     ///< by number
    std::vector<double> choices;  ///< by choice
    Point point;  ///< as the history gives it back: what Encode makes of what Decode made
  };
  /// The place that is tried for x and choices: x cut off at the box, repaired where a constraint forbids it,
  /// numbers at the centres of their cells, coordinates of inactive parameters NaN.
  [[nodiscard]] Place At(Vector x, std::vector<double> choices) const;
  [[nodiscard]] Place At(Point point) const;

 private:
  std::shared_ptr<const Space> space_;
  std::vector<std::size_t> numbers_, choices_;  ///< indices of parameters
};

/// How a trial ranks, the best first: complete by loss, then those that break a constraint by how much, then
/// pruned ones by how far they came and by their last report, then what failed; ties by number.
using Rank = std::tuple<int, double, double, std::int64_t>;
Rank RankOf(const Trial& trial);
/// Complete, feasible and with a finite loss.
bool IsMeasured(const Rank& rank);

/// Equal, where NaN equals NaN.
bool SamePoint(const Point& a, const Point& b);

}  // namespace muster::tuner
