#pragma once

#include <cmath>
#include <optional>

#include "tracker/series/point.h"

namespace muster::tracker {

/// What a search asks of a series, kept beside its points. Pure; any thread.
struct Summary {
  std::optional<Point> latest;  ///< by IsLater; nothing: there is no point
  /// Of the values that are no NaN, infinities too.
  std::optional<double> min, max;

  /// Points may come in any order, and again. False when it changed nothing.
  bool Add(const Point& point) {
    bool changed = false;
    // A younger attempt has the same point now.
    if (!latest || IsLater(point, *latest) || Same(point, *latest)) {
      latest = point;
      changed = true;
    }
    if (std::isnan(point.value)) return changed;
    if (!min || point.value < *min) {
      min = point.value;
      changed = true;
    }
    if (!max || point.value > *max) {
      max = point.value;
      changed = true;
    }
    return changed;
  }
};

}  // namespace muster::tracker
