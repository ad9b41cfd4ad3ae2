#pragma once

#include <cstdint>
#include <vector>

#include "tracker/ranks/rank_curve.h"
#include "tracker/ranks/spread.h"

/// Which ranks hold the others up, by one metric that all of them log. Pure; any thread.
///
/// A rank lags when it is two logging intervals behind the foremost rank, or one, and the foremost rank's last point is
/// older than three intervals of time. The intervals are the medians over ranks of those between a rank's recent points.
/// A rank is slow when the median of its recent values lies beyond median + 5 MAD of those of all ranks (MAD: the
/// median distance from the median), or below median - 5 MAD where low is worse; a distance of less than a tenth
/// of the median is none. It takes three ranks to tell, and a metric of which high or low is worse.

namespace muster::tracker {

inline constexpr double kSlowMads = 5;
inline constexpr double kSlowShareLeast = 0.1;
inline constexpr std::int64_t kLagSteps = 2;      ///< intervals
inline constexpr std::int64_t kSilenceTimes = 3;  ///< intervals

struct RankVerdict {
  int rank = 0;
  std::int64_t last_step = 0, last_time_ms = 0;
  std::int64_t behind = 0;  ///< steps, to the foremost rank
  double recent = 0;        ///< median of its recent finite values; NaN when there is none
  bool lags = false, slow = false;
};

struct Verdicts {
  std::vector<RankVerdict> ranks;  ///< in the order of the curves
  double limit = 0;                ///< beyond it a rank is slow; NaN when that cannot be told
};

/// `now_ms`: milliseconds since 1970, as the points' timestamps.
Verdicts JudgeRanks(const std::vector<RankCurve>& curves, Worse worse, std::int64_t now_ms);

}  // namespace muster::tracker
