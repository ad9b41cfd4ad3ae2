#pragma once

#include <functional>
#include <span>
#include <vector>

namespace muster::tuner::gp {

/// f at x; writes its gradient. May answer NaN or an infinity where f has no value: such points are not taken.
using Differentiable = std::function<double(std::span<const double> x, std::span<double> gradient)>;

struct Bounds {
  std::vector<double> low, high;  ///< low <= high, both inside
};

struct LbfgsOptions {
  int evaluations = 100;   ///< at most
  double gradient = 1e-5;  ///< ends when no component of the projected gradient is larger
  double progress = 1e-9;  ///< ends when a step gains less than this times max(1, |f|)
};

struct Minimum {
  std::vector<double> x;
  double f = 0;
  int evaluations = 0;
};

/// A local minimum of f in a box, from `start` (moved into it) downhill: L-BFGS (Nocedal, "Updating
/// quasi-Newton matrices with limited storage", Mathematics of Computation 35, 1980) on the coordinates that
/// are free, with steps bent along the box as in Bertsekas, "Projected Newton Methods" (SIAM J. Control and
/// Optimization 20, 1982), and backtracking by Armijo's rule. It does not throw and cannot fail: where
/// no step helps, or f has no value at `start`, it answers the best point it has seen.
Minimum Minimize(const Differentiable& f, std::vector<double> start, const Bounds& bounds,
                 const LbfgsOptions& options = {});

}  // namespace muster::tuner::gp
