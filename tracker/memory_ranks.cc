#include <algorithm>
#include <limits>
#include <set>

#include "tracker/memory_run_store.h"
#include "tracker/run_rules.h"

namespace muster::tracker {

Result<RunRanks> MemoryRunStore::ReadRanks(const RunId& run_id) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return RunNotFound(run_id);
  const StoredRun& run = found->second;
  std::map<int, RankSummary> ranks;
  for (const auto& [rank, place] : run.places) ranks[rank].place = place;
  std::set<std::string> keys;
  std::set<int> seen;
  for (const auto& [series, points] : run.points) {
    const auto& [key, rank] = series;
    if (rank == kNoRank) continue;
    keys.insert(key);
    RankSummary& summary = ranks[rank];
    summary.place.rank = rank;
    summary.points += std::ssize(points);
    const std::vector<Metric> visible = run.Visible(key, rank);
    if (visible.empty()) continue;
    const Metric& last = *std::ranges::max_element(
        visible, [](const Metric& a, const Metric& b) { return IsLater(b, a); });
    const bool first = seen.insert(rank).second;
    summary.last_step = first ? last.step : std::max(summary.last_step, last.step);
    summary.last_time_ms =
        first ? last.timestamp_ms : std::max(summary.last_time_ms, last.timestamp_ms);
  }
  RunRanks answer;
  for (auto& [rank, summary] : ranks) answer.ranks.push_back(std::move(summary));
  answer.keys.assign(keys.begin(), keys.end());
  return answer;
}

Result<RankCurves> MemoryRunStore::ReadRankCurves(const RunId& run_id, std::string_view key,
                                                  const ChartWindow& window) {
  MUSTER_RETURN_IF_ERROR(CheckRankWindow(window));
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return RunNotFound(run_id);
  std::map<int, std::vector<Point>> ranks;
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t first = Limits::max(), last = Limits::min();
  for (const auto& [series, stored] : found->second.points) {
    if (series.first != key || series.second == kNoRank) continue;
    for (const Metric& metric : found->second.Visible(key, series.second)) {
      ranks[series.second].push_back(
          {metric.timestamp_ms, metric.step, metric.value, metric.attempt});
      first = std::min(first, metric.step);
      last = std::max(last, metric.step);
    }
  }
  RankCurves curves{.window = window};
  if (ranks.empty()) return curves;
  curves.window = WithEnds(window, first, last);
  for (const auto& [rank, points] : ranks) {
    RankCurve& curve = curves.ranks.emplace_back(RankCurve{.place = {.rank = rank}});
    const auto place = found->second.places.find(rank);
    if (place != found->second.places.end()) curve.place = place->second;
    Chart chart(curves.window);
    for (const Point& point : points) chart.Add(point);
    curve.columns = chart.Columns();
    curve.last = *std::ranges::max_element(
        points, [](const Point& a, const Point& b) { return IsLater(b, a); });
    const std::size_t recent = std::min(kRecentPoints, points.size());
    curve.recent.assign(points.end() - static_cast<std::ptrdiff_t>(recent), points.end());
  }
  return curves;
}

}  // namespace muster::tracker
