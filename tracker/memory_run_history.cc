#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "tracker/memory_run_store.h"
#include "tracker/run_rules.h"
#include "tracker/series/sample.h"

namespace muster::tracker {

Result<Page<Metric>> MemoryRunStore::MetricHistory(const RunId& run_id, std::string_view key,
                                                   std::int64_t max_results,
                                                   std::string_view page_token) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(max_results, kMaxHistoryPage));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t offset, filter::PageOffset(page_token));
  const std::lock_guard lock(mutex_);
  Page<Metric> page;
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return page;
  const auto points = found->second.points.find(std::string(key));
  if (points == found->second.points.end()) return page;
  std::int64_t index = 0;
  for (const Metric& point : points->second) {
    if (IsHidden(point.attempt, point.step, found->second.resumes)) continue;
    if (index++ < offset) continue;
    if (std::ssize(page.items) == max_results) {
      page.next_page_token = filter::PageToken(offset + max_results);
      break;
    }
    page.items.push_back(point);
  }
  return page;
}

Result<std::vector<Metric>> MemoryRunStore::SampleHistory(const RunId& run_id, std::string_view key,
                                                          std::optional<StepRange> steps,
                                                          std::int64_t most) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return RunNotFound(run_id);
  std::vector<Metric> all;
  const auto points = found->second.points.find(std::string(key));
  if (points == found->second.points.end()) return all;
  for (const Metric& point : points->second) {
    if (steps && (point.step < steps->first || point.step > steps->last)) continue;
    if (!IsHidden(point.attempt, point.step, found->second.resumes)) all.push_back(point);
  }
  std::ranges::stable_sort(all, {}, &Metric::step);
  std::vector<Metric> sampled;
  for (const std::size_t row : SampledRows(all.size(), static_cast<std::size_t>(most)))
    sampled.push_back(all[row]);
  return sampled;
}

Result<std::vector<Bucket>> MemoryRunStore::ReadChart(const RunId& run_id, std::string_view key,
                                                      const ChartWindow& window) {
  MUSTER_RETURN_IF_ERROR(CheckChartWindow(window));
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return std::vector<Bucket>();
  std::vector<Point> points;
  for (const auto& [of, series] : found->second.points) {
    if (of != key) continue;
    for (const Metric& metric : series) {
      if (IsHidden(metric.attempt, metric.step, found->second.resumes)) continue;
      points.push_back({metric.timestamp_ms, metric.step, metric.value, metric.attempt});
    }
  }
  if (points.empty()) return std::vector<Bucket>();
  const auto x = [&](const Point& point) { return XOf(window.axis, point); };
  const auto [first, last] = std::ranges::minmax(points, {}, x);
  Chart chart(WithEnds(window, x(first), x(last)));
  for (const Point& point : points) chart.Add(point);
  return chart.Columns();
}

Result<std::vector<DatasetSummary>> MemoryRunStore::SearchDatasets(
    const std::vector<std::string>& experiment_ids) {
  for (const std::string& id : experiment_ids) MUSTER_RETURN_IF_ERROR(ParseExperimentId(id));
  const std::lock_guard lock(mutex_);
  std::set<DatasetSummary> found;
  for (const auto& [id, stored] : runs_) {
    const Run& run = stored.run;
    if (std::ranges::find(experiment_ids, run.info.experiment_id) == experiment_ids.end()) continue;
    for (const DatasetInput& input : run.dataset_inputs) {
      DatasetSummary summary{run.info.experiment_id, input.dataset.name, input.dataset.digest, {}};
      const auto context = std::ranges::find(input.tags, kDatasetContextTag, &Tag::key);
      if (context != input.tags.end()) summary.context = context->value;
      found.insert(std::move(summary));
    }
  }
  std::vector<DatasetSummary> summaries(found.begin(), found.end());
  if (std::ssize(summaries) > kMaxDatasetSummaries) summaries.resize(kMaxDatasetSummaries);
  return summaries;
}

}  // namespace muster::tracker
