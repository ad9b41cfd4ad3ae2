#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tracker/ranks/rank_curve.h"

/// A metric over the ranks of a run, column by column: where most of them are, and who is farthest off. Pure; any
/// thread.

namespace muster::tracker {

/// Which of two ranks does worse.
enum class Worse {
  kHigh,  ///< the larger value: a time
  kLow,   ///< the smaller one: a rate
  kFar,   ///< the one farther from the median: a loss
};
/// By the words of the metric's name: "seconds", "time", "wait", "latency", "ms" and their like are times; "per"
/// and "throughput" are rates, so "samples_per_second" is one.
Worse WorseOf(std::string_view key);
/// "high", "low", "far".
std::string_view WorseName(Worse worse);

/// One column that has points. Values that are NaN or infinite count in `not_finite` alone.
struct Spread {
  std::int64_t first_step = 0, last_step = 0;  ///< of the points in it
  std::size_t ranks = 0;                       ///< that have a point in it
  std::size_t not_finite = 0;                  ///< ranks that have such a value in it
  /// Of all finite values in it. NaN when there are none; so is the median when every rank's last one is none.
  double min = 0, max = 0;
  double median =
      0;  ///< of each rank's last value in it; of an even number the mean of the middle two
  /// Who has the max (kHigh) or the min (kLow), or whose last value is farthest from the median; the lowest rank of
  /// several; -1 for nobody.
  int worst = -1;
};

/// From left to right.
std::vector<Spread> SpreadOf(const RankCurves& curves, Worse worse);

/// The middle one, or the mean of the middle two; NaN of none. No value may be NaN.
double MedianOf(std::vector<double> values);

}  // namespace muster::tracker
