#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/monitor/baseline.h"
#include "registry/monitor/column_window.h"
#include "registry/monitor/performance.h"

/// All that is kept of a span of traffic, in a size that does not depend on it; windows of several replicas add up. Pure;
/// one thread at a time.
///
/// As text (`ToJson`) a window outlives its process:
///   {"format": 1, "baseline": SHA-256, "begun_ms", "ended_ms", "requests", "failed", "rows", "sampled", "latency": SKETCH,
///    "columns": [COLUMN...], "violations": {KIND: {"count", "example"}}, "classes": [count a class], "no_class",
///    "confidence": COLUMN?, "confidence_sums": {"rows", "confidence"}, "outputs": [COLUMN...], "performance": {...},
///    "resources": {"cpu_ms", "memory_bytes", "replicas"}?}
///   COLUMN = {"count", "missing", "infinite", "outside", "example"?, "counts", "sketch": SKETCH,
///             "unseen": {"values", "counts", "total", "error"}}
///   SKETCH = base64 of QuantileSketch::Bytes

namespace muster::registry::monitor {

/// Requests that were not what the version takes.
struct Violation {
  std::int64_t count = 0;
  std::string example;
};

/// Of the processes that served, as long as the window lasted.
struct Resources {
  std::int64_t cpu_ms = 0;        ///< of all of them
  std::int64_t memory_bytes = 0;  ///< resident at the end, of the largest
  std::int64_t replicas = 0;      ///< how many are counted
};

struct Window {
  Window(const Baseline& baseline, std::int64_t begun_ms, std::uint64_t seed = 0);

  std::string baseline;  ///< digest of the one that it is of
  std::int64_t begun_ms = 0, ended_ms = 0;
  std::int64_t requests = 0, failed = 0;
  std::int64_t rows = 0,
               sampled =
                   0;  ///< of answered requests, and those that columns and predictions are of
  QuantileSketch latency_us;          ///< of answered requests
  std::vector<ColumnWindow> columns;  ///< of all inputs, one after another, as in the baseline
  std::map<std::string, Violation>
      violations;  ///< by kind: "missing_input", "unknown_input", "type", "shape", "output"
  std::vector<std::int64_t> classes;       ///< predictions by class
  std::int64_t no_class = 0;               ///< predictions with a NaN
  std::optional<ColumnWindow> confidence;  ///< where the baseline has it
  ConfidenceSums confidence_sums;          ///< where the baseline has a calibration table
  std::vector<ColumnWindow> outputs;       ///< of regression
  Performance performance;
  std::optional<Resources> resources;  ///< where a server told them

  /// kInvalid where the other is not of the same baseline. The sum lasts from the earlier beginning to the later end.
  Status Merge(const Window& other);
};

std::string ToJson(const Window& window);
/// `baseline` is the one that it is of. kCorrupt with the path of what is wrong, kUnsupported for another format, kInvalid
/// where it is of another baseline.
Result<Window> WindowFromJson(const Baseline& baseline, std::string_view text);

inline constexpr std::size_t kWindowBytesMost = std::size_t{64} << 20;

}  // namespace muster::registry::monitor
