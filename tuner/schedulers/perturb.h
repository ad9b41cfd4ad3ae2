#pragma once

#include <array>

#include "runtime/base/random.h"
#include "tuner/space.h"

namespace muster::tuner {

struct PerturbOptions {
  double resample = 0.25;                  ///< the chance that a parameter is drawn anew
  std::array<double, 2> factor{0.8, 1.2};  ///< down, up
};

/// Explores around a point as population based training does ("perturb" and "resample" of Jaderberg et al.,
/// arXiv 1711.09846), inside the declared ranges always. Each active parameter is drawn anew with a chance of
/// `resample`. Else a number on a log scale is multiplied by one of the factors, and one on a linear scale moves
/// by (factor - 1) of its range, both to the nearest value of the domain but by one value at least; a choice
/// moves to a neighbour in its list. A parameter whose parent changed, or that was not active, is drawn anew.
/// The draws of one parameter do not depend on the others.
Point Perturb(const Space& space, const Point& point, const PerturbOptions& options,
              const Random& random);

}  // namespace muster::tuner
