#pragma once

#include "tracker/mlflow/json_writer.h"
#include "tracker/run_store.h"

/// MLflow's answers about runs and their points, as entities.h says of its own.

namespace muster::tracker {

JsonText RunAnswer(const Run& run);     ///< {"run": ...}
JsonText NewRunAnswer(const Run& run);  ///< the same without outputs, which a new run has none of
JsonText RunInfoAnswer(const RunInfo& info);  ///< {"run_info": ...}
JsonText RunsAnswer(const Page<Run>& page);
JsonText MetricsAnswer(const Page<Metric>& page);

struct RunMetrics {
  RunId run_id;
  std::vector<Metric> metrics;
};
/// Points of several runs, each with its run. `list`: also when there is none.
JsonText RunMetricsAnswer(const std::vector<RunMetrics>& runs, bool list);

}  // namespace muster::tracker
