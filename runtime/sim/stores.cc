#include "runtime/sim/stores.h"

#include <algorithm>
#include <variant>

namespace muster::sim {

boost::json::object Stores::Apply(const std::string& id, const coordinator::Command& command) {
  if (const auto known = applied_.find(id); known != applied_.end()) return known->second;
  boost::json::object result;
  if (const auto* create = std::get_if<coordinator::CreateRun>(&command)) {
    runs_.insert(create->run);
    result["experiment_id"] = "1";
  } else if (const auto* finish = std::get_if<coordinator::FinishRun>(&command)) {
    finished_[finish->run] = finish->status;
  } else if (const auto* promote = std::get_if<coordinator::PromoteModel>(&command)) {
    ++promotions_[promote->sweep];
    result["state"] = "promoted";
    result["version"] = 1;
  }
  applied_[id] = result;
  return result;
}

void Stores::Store(const coordinator::StoreMetrics& store) {
  for (const auto& metric : store.metrics) {
    if (metric.key == "index")
      indices_[store.epoch].insert(static_cast<std::int64_t>(metric.value));
  }
}

void Stores::Store(const RunId& run, const coordinator::TrackedMetric& metric) {
  points_[run].push_back(metric);
}

std::vector<coordinator::TrackedMetric> Stores::PointsOf(const RunId& run) const {
  const auto found = points_.find(run);
  return found == points_.end() ? std::vector<coordinator::TrackedMetric>() : found->second;
}

std::int64_t Stores::Store(const coordinator::StoreLog& store) {
  std::int64_t& end = logs_[{store.epoch, store.log}];
  const auto padding = std::ranges::count(store.data, '=');
  const std::int64_t size =
      static_cast<std::int64_t>(store.data.size()) / 4 * 3 - static_cast<std::int64_t>(padding);
  if (store.begin <= end) end = std::max(end, store.begin + size);
  return end;
}

std::set<std::int64_t> Stores::IndicesOf(AttemptEpoch epoch) const {
  const auto found = indices_.find(epoch);
  return found == indices_.end() ? std::set<std::int64_t>() : found->second;
}

}  // namespace muster::sim
