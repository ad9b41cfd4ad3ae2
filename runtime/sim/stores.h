#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/coordinator/input.h"

/// Twins of what lies beyond the coordinator: tracker, registry, log store. They survive every crash, and as
/// the real ones do they apply a command once, whatever its repetitions, and keep a point once.

namespace muster::sim {

class Stores {
 public:
  /// Applies the command unless it was applied already; its result either way.
  boost::json::object Apply(const std::string& id, const coordinator::Command& command);
  void Store(const coordinator::StoreMetrics& store);
  /// What a script logged over HTTP.
  void Store(const RunId& run, const coordinator::TrackedMetric& metric);
  [[nodiscard]] std::vector<coordinator::TrackedMetric> PointsOf(const RunId& run) const;
  /// Where the log ends now.
  std::int64_t Store(const coordinator::StoreLog& store);

  /// The "index" metrics of one attempt: places in its spool (see gang.cc).
  [[nodiscard]] std::set<std::int64_t> IndicesOf(AttemptEpoch epoch) const;
  [[nodiscard]] const std::map<RunId, std::string>& finished() const { return finished_; }
  [[nodiscard]] const std::set<RunId>& runs() const { return runs_; }
  [[nodiscard]] const std::map<SweepId, int>& promotions() const { return promotions_; }

 private:
  std::map<std::string, boost::json::object> applied_;
  std::set<RunId> runs_;
  std::map<RunId, std::string> finished_;
  std::map<SweepId, int> promotions_;
  std::map<AttemptEpoch, std::set<std::int64_t>> indices_;
  std::map<RunId, std::vector<coordinator::TrackedMetric>> points_;
  std::map<std::pair<AttemptEpoch, std::string>, std::int64_t> logs_;
};

}  // namespace muster::sim
