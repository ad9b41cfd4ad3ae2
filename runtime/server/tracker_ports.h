#pragma once

#include <functional>

#include "runtime/coordinator/input.h"
#include "tracker/run_store.h"

/// The coordinator's commands and metrics, carried out on the run store. Each may come twice: runs are made
/// under the coordinator's own run id, and the store takes an identical point, param or tag once.

namespace muster::server {

/// A point as the coordinator hears of it.
coordinator::TrackedMetric TrackedOf(const tracker::Metric& metric);

/// What the store keeps of them.
std::vector<tracker::Metric> PointsOf(const coordinator::StoreMetrics& metrics);

class TrackerPorts {
 public:
  /// `store` must outlive it.
  explicit TrackerPorts(tracker::RunStore& store, const Clock& clock)
      : store_(store), clock_(clock) {}

  using Done = std::function<void(Result<boost::json::object>)>;

  /// Not heard by the store's metric observer.
  void StoreMetrics(const coordinator::StoreMetrics& metrics, std::function<void(Status)> done);
  /// Answers {"experiment_id": "..."}; the experiment is made when it does not exist.
  void CreateRun(const coordinator::CreateRun& command, Done done);
  void FinishRun(const coordinator::FinishRun& command, Done done);
  void TagRun(const coordinator::TagRun& command, Done done);
  void ResumeRun(const coordinator::ResumeRun& command, Done done);
  /// All points of one metric, in order.
  Result<std::vector<coordinator::TrackedMetric>> ReadMetric(const RunId& run,
                                                             const std::string& key);

 private:
  void CreateRunIn(const coordinator::CreateRun& command, const std::string& experiment_id,
                   Done done);
  tracker::RunStore& store_;
  const Clock& clock_;
};

}  // namespace muster::server
