#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/run_store.h"

/// The runs of a store as tables:
///
///   runs     run_id, experiment_id, name, user, status, lifecycle, start_ms, end_ms, artifact_uri
///   params   run_id, key, value
///   tags     run_id, key, value
///   latest   run_id, key, value, timestamp_ms, step: the latest point of each metric
///   metrics  the same of every point

namespace muster::tracker {

enum class ExportTable { kRuns, kParams, kTags, kLatest, kMetrics };
enum class ExportFormat { kCsv, kArrow };

/// "runs" and so on; nullopt for another name.
std::optional<ExportTable> ExportTableOf(std::string_view name);
/// "csv" or "arrow".
std::optional<ExportFormat> ExportFormatOf(std::string_view name);

struct ExportQuery {
  std::vector<std::string> experiment_ids;  ///< empty: all active experiments
  std::string filter;                       ///< of runs, MLflow's grammar
  ViewType view = ViewType::kActiveOnly;    ///< of runs
};

/// Hands the table to `sink` in pieces of about 256 KiB, a page of runs or points in memory at a time; ends with
/// the error of the sink or of a read. What is logged meanwhile may be in it or not. kInvalid for the filter or
/// an experiment's id, before the first piece.
Status Export(RunStore& runs, ExportTable table, ExportFormat format, const ExportQuery& query,
              const std::function<Status(std::string)>& sink);

}  // namespace muster::tracker
