#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/monitor/baseline.h"
#include "registry/monitor/outcome_join.h"
#include "registry/monitor/window.h"
#include "runtime/base/random.h"

/// Watches the traffic of one version of a model: a server tells it of each request and each label, and from time to time
/// takes the window (`report.h` says what it shows). Pure: times are handed in. One thread at a time: the caller locks.

namespace muster::registry::monitor {

struct MonitorSpec {
  /// Of the answered requests one in so many is looked at; labels of the others are unknown.
  std::int64_t sample_every = 1;
  /// Of a request, so many rows at most are looked at, drawn at random: rows that came together are alike, and say less
  /// than as many requests. Of wide rows fewer, so that one request costs some values_most values, but one row at least.
  std::int64_t rows_most = 16;
  std::int64_t values_most = 256;
  std::size_t outcomes_most = 100'000;    ///< rows that can wait for their labels at a time
  std::int64_t late_ms = 24 * 3'600'000;  ///< a label that waited longer is counted as late, too
  std::uint64_t seed = 0;
};
/// kInvalid names the member that is out of its range.
Status CheckMonitorSpec(const MonitorSpec& spec);

/// A request and what became of it. It is not kept beyond the call.
struct Observation {
  std::string_view id;                           ///< under which labels may come; empty: none will
  const std::vector<Tensor>* inputs = nullptr;   ///< of the model; absent: none are known
  const std::vector<Tensor>* outputs = nullptr;  ///< that it answered
  bool ok = true;                                ///< false: it failed, through whose fault ever
  std::chrono::microseconds duration{0};
  std::int64_t time_ms = 0;  ///< Unix time of the answer
  std::string_view segment;  ///< as the baseline's segments are named, "COLUMN=VALUE"; empty: none
};

/// Whatever later is the truth of a row.
struct OutcomeLabel {
  std::string_view id;
  std::int64_t row = 0;            ///< of the request, from 0
  std::span<const double> values;  ///< a class, or a number a target
  std::int64_t time_ms = 0;
};

class Monitor {
 public:
  /// The spec has passed CheckMonitorSpec.
  Monitor(Baseline baseline, MonitorSpec spec, std::int64_t now_ms);

  /// Costs some 30 ns a value that is looked at.
  void Observe(const Observation& observation);
  /// What it met. kInvalid as of CheckLabel, and it is counted.
  Result<JoinState> Outcome(const OutcomeLabel& label);
  /// The same, with the prediction that the label is about.
  Result<JoinResult> Join(const OutcomeLabel& label);

  [[nodiscard]] const Baseline& baseline() const { return baseline_; }
  /// The one that is open.
  [[nodiscard]] const Window& window() const { return window_; }
  /// The open window, which is closed now; another begins. Predictions go on waiting for labels.
  Window CloseWindow(std::int64_t now_ms);

 private:
  void ObserveAnswered(const Observation& observation);
  /// Numbers of the rows to look at, ascending.
  const std::vector<std::int64_t>& Sample(std::int64_t rows);
  void ObserveInputs(const std::vector<Tensor>& inputs);
  /// `windows` are of its columns; a row has been sampled.
  void ObserveInput(const BaselineInput& input, const Tensor& tensor,
                    std::span<ColumnWindow> windows);
  PredictedRow ObserveOutputs(const Tensor& output, std::int64_t row);
  void Violate(const char* kind, std::string_view example);

  Baseline baseline_;
  MonitorSpec spec_;
  Random random_;
  std::int64_t width_ = 0;  ///< values of a row that are looked at
  std::int64_t windows_ = 0, answered_ = 0;
  Window window_;
  OutcomeJoin join_;
  std::vector<std::int64_t> sample_;
  std::vector<double> values_;  ///< of the row under way
};

}  // namespace muster::registry::monitor
