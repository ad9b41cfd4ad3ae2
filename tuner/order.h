#pragma once

#include <cmath>
#include <cstdint>

/// How objective values compare everywhere in the tuner.

namespace muster::tuner {

/// The value as a loss: smaller is better, NaN and infinities of the wrong sign are the worst.
inline double Loss(double value, bool maximize) {
  if (std::isnan(value)) return INFINITY;
  return maximize ? -value : value;
}

}  // namespace muster::tuner
