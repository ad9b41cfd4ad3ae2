#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <tuple>

#include "tracker/memory_run_store.h"
#include "tracker/run_rules.h"
#include "tracker/series/sample.h"

namespace muster::tracker {

std::vector<Metric> MemoryRunStore::StoredRun::Visible(std::string_view key, int rank) const {
  std::vector<Metric> visible;
  const auto found = points.find({std::string(key), rank});
  if (found == points.end()) return visible;
  std::ranges::copy_if(found->second, std::back_inserter(visible), [&](const Metric& point) {
    return !IsHidden(point.attempt, point.step, resumes);
  });
  return visible;
}

Result<Page<Metric>> MemoryRunStore::MetricHistory(const RunId& run_id, const SeriesKey& series,
                                                   std::int64_t max_results,
                                                   std::string_view page_token) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(max_results, kMaxHistoryPage));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t offset, filter::PageOffset(page_token));
  const std::lock_guard lock(mutex_);
  Page<Metric> page;
  const auto found = runs_.find(run_id.value);
  if (found == runs_.end()) return page;
  std::int64_t index = 0;
  for (const Metric& point : found->second.Visible(series.key, series.rank)) {
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
  for (const Metric& point : found->second.Visible(key, kNoRank)) {
    if (!steps || (point.step >= steps->first && point.step <= steps->last)) all.push_back(point);
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
  for (const Metric& metric : found->second.Visible(key, kNoRank)) {
    points.push_back({metric.timestamp_ms, metric.step, metric.value, metric.attempt});
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
