#include "tracker/ranks/stragglers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace muster::tracker {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The median over ranks of the median distance between neighbours of a rank's recent points, 1 at least.
double IntervalOf(const std::vector<RankCurve>& curves, std::int64_t Point::* member) {
  std::vector<double> intervals;
  for (const RankCurve& curve : curves) {
    std::vector<double> distances;
    for (std::size_t i = 1; i < curve.recent.size(); ++i) {
      // As doubles: two steps may lie as far apart as all numbers.
      const double distance = static_cast<double>(curve.recent[i].*member) -
                              static_cast<double>(curve.recent[i - 1].*member);
      if (distance > 0) distances.push_back(distance);
    }
    if (!distances.empty()) intervals.push_back(MedianOf(std::move(distances)));
  }
  return intervals.empty() ? 1 : std::max(1.0, MedianOf(std::move(intervals)));
}

double RecentOf(const RankCurve& curve) {
  std::vector<double> values;
  for (const Point& point : curve.recent) {
    if (std::isfinite(point.value)) values.push_back(point.value);
  }
  return MedianOf(std::move(values));
}

void MarkLagging(const std::vector<RankCurve>& curves, std::int64_t now_ms, Verdicts& verdicts) {
  if (curves.empty()) return;
  const Point front = std::ranges::max_element(curves, [](const RankCurve& a, const RankCurve& b) {
                        return IsLater(b.last, a.last);
                      })->last;
  const double steps = IntervalOf(curves, &Point::step);
  const double silence = kSilenceTimes * IntervalOf(curves, &Point::ts_ms);
  const bool silent = static_cast<double>(now_ms) - static_cast<double>(front.ts_ms) > silence;
  for (RankVerdict& rank : verdicts.ranks) {
    if (__builtin_sub_overflow(front.step, rank.last_step, &rank.behind)) {
      rank.behind = std::numeric_limits<std::int64_t>::max();
    }
    const auto behind = static_cast<double>(rank.behind);
    rank.lags = behind >= kLagSteps * steps || (silent && behind >= steps);
  }
}

void MarkSlow(Worse worse, Verdicts& verdicts) {
  std::vector<double> values;
  for (const RankVerdict& rank : verdicts.ranks) {
    if (!std::isnan(rank.recent)) values.push_back(rank.recent);
  }
  if (worse == Worse::kFar || values.size() < 3) return;
  const double median = MedianOf(values);
  for (double& value : values) value = std::abs(value - median);
  const double distance =
      std::max(kSlowMads * MedianOf(std::move(values)), kSlowShareLeast * std::abs(median));
  verdicts.limit = worse == Worse::kHigh ? median + distance : median - distance;
  for (RankVerdict& rank : verdicts.ranks) {
    rank.slow = worse == Worse::kHigh ? rank.recent > verdicts.limit : rank.recent < verdicts.limit;
  }
}

}  // namespace

Verdicts JudgeRanks(const std::vector<RankCurve>& curves, Worse worse, std::int64_t now_ms) {
  Verdicts verdicts{.limit = kNan};
  for (const RankCurve& curve : curves) {
    verdicts.ranks.push_back({.rank = curve.place.rank,
                              .last_step = curve.last.step,
                              .last_time_ms = curve.last.ts_ms,
                              .recent = RecentOf(curve)});
  }
  MarkLagging(curves, now_ms, verdicts);
  MarkSlow(worse, verdicts);
  return verdicts;
}

}  // namespace muster::tracker
