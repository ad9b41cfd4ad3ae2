#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry/monitor/drift.h"
#include "registry/monitor/window.h"

/// What a window says about a version. Pure.

namespace muster::registry::monitor {

struct Report {
  std::string baseline;
  std::int64_t begun_ms = 0, ended_ms = 0;
  double confidence = 0;  ///< of all intervals
  std::vector<ColumnDrift> inputs;
  SetDrift input_drift;
  /// Of predictions: "classes" and "confidence", or of regression each output. Judged together.
  std::vector<ColumnDrift> predictions;
  SetDrift prediction_drift;
  std::optional<ColumnDrift> labels;                      ///< of classes, where labels came
  std::optional<statistics::Interval> accuracy_interval;  ///< Wilson's
  std::optional<statistics::Interval> drop_interval;  ///< of the baseline's accuracy less this one
  std::optional<Estimate> estimate;
  /// Every figure by name, for rules (alert.h); those that nothing is known of are absent:
  ///   requests, rows, sampled, error_rate, latency_ms.p50|p95|p99
  ///   cpu                                cores that a replica's process used, on average
  ///   memory_mib                         resident, of the largest replica
  ///   schema                             violations of the schema, a share of the requests
  ///   drift.columns, drift.share         drifted inputs
  ///   drift.largest                      of corrected effect / bound over inputs whose p is at most alpha; 1: at the bound
  ///   column.NAME.drift|ks|psi           corrected effects of an input's column, chance or not; drift: that which is judged
  ///   column.NAME.missing|infinite|outside    shares of its values
  ///   column.NAME.missing_rise           less that of the baseline
  ///   predictions.drift                  drift.largest of predictions
  ///   predictions.NAME.drift
  ///   labelled, label_drift, accuracy, accuracy.SEGMENT, late, unknown_labels
  ///   accuracy_drop, accuracy_drop.least      from the baseline's; the interval's lower end: so much is no chance
  ///   mae.K, mae.SEGMENT, mae_rise.K     of target K; the rise is relative to the baseline's
  ///   estimated_accuracy, estimated_drop, estimated_drop.least
  std::map<std::string, double> metrics;
};

/// `window` is of `baseline`, the spec has passed CheckDriftSpec.
Report MakeReport(const Baseline& baseline, const Window& window, const DriftSpec& spec);

/// {"baseline", "begun_ms", "ended_ms", "traffic": {...}, "inputs": {"drifted", "columns": [...]}, "predictions": {...},
///  "performance": {...}, "violations", "metrics"}; a column has its effects as [value, corrected, low, high].
boost::json::object ReportJson(const Baseline& baseline, const Window& window,
                               const Report& report);

}  // namespace muster::registry::monitor
