#pragma once

#include "tracker/mlflow/json_writer.h"
#include "tracker/run_store.h"

/// MLflow's answers about runs and their points, as entities.h says of its own.

namespace muster::tracker {

JsonText RunAnswer(const Run& run);           ///< {"run": ...}
JsonText RunInfoAnswer(const RunInfo& info);  ///< {"run_info": ...}
JsonText RunsAnswer(const Page<Run>& page);
JsonText MetricsAnswer(const Page<Metric>& page);

}  // namespace muster::tracker
