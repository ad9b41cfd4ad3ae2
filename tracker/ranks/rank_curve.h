#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tracker/series/chart.h"
#include "tracker/series/point.h"

/// One metric of a run as each of its ranks logged it. Pure; any thread.

namespace muster::tracker {

/// The last points of a rank that are looked at to judge it.
inline constexpr std::size_t kRecentPoints = 32;

/// Where a rank of a run runs. What is not known (an empty name, -1) leaves what is known as it is.
struct RankPlace {
  int rank = 0;
  std::string node;
  int gpu = -1;  ///< by its number on the node
  friend bool operator==(const RankPlace&, const RankPlace&) = default;
};

struct RankCurve {
  RankPlace place;
  Point last;  ///< by (step, timestamp, value)
  std::vector<Bucket>
      columns;                ///< of the common window; those that have points, from left to right
  std::vector<Point> recent;  ///< the last kRecentPoints at most, in history order
};

struct RankCurves {
  ChartWindow window;            ///< by step, with both ends
  std::vector<RankCurve> ranks;  ///< by rank; only those that have logged the metric
};

/// Into how many columns to sort `points` points of `ranks` ranks, 1 to `wanted`: as many as are wanted where few
/// points have to be read for that; else so few that buckets can stand for their points (Chart::Fits).
std::size_t RankColumns(std::size_t wanted, std::size_t ranks, std::size_t points);

}  // namespace muster::tracker
