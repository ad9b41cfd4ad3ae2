#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/evaluation.h"
#include "registry/monitor/cdf.h"

/// baseline.json of a version (registry/package/baselines.h has the format) as what a window is compared with. Pure.

namespace muster::registry::monitor {

/// One column. Of 20 distinct values or fewer `values` has them all, and it is judged as categories; else `edges` bound
/// the bins. `counts` are of the values or bins.
struct BaselineColumn {
  std::string name;
  bool pooled = false;  ///< over all elements of a row, of which there are too many to be columns
  std::int64_t elements = 1;  ///< that a row has in this column: more than one where it is pooled
  std::int64_t count = 0, missing = 0, infinite = 0;  ///< finite, NaN, infinite
  double min = 0, max = 0, std = 0;                   ///< of count > 0
  std::vector<double> values;                         ///< ascending
  std::vector<double> edges;                          ///< ascending, one more than bins
  std::vector<std::int64_t> counts;
  Cdf cdf;  ///< no points where count is 0

  [[nodiscard]] bool categorical() const { return !values.empty(); }
};

struct BaselineInput {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;  ///< (N, ...) of the held-out rows
  std::vector<BaselineColumn> columns;
};

/// How right rows of each confidence are: bins between `edges`, the first and last open to their sides.
struct CalibrationTable {
  std::vector<double> edges;  ///< ascending, one more than bins, of which there is one at least
  std::vector<std::int64_t> rows, right;
  std::vector<double> confidence;  ///< mean of the rows

  /// The bin of a confidence that is no NaN.
  [[nodiscard]] std::size_t BinOf(double confidence) const;
};

struct SegmentScore {
  std::int64_t rows = 0, right = 0;
};

struct Baseline {
  std::string digest;  ///< SHA-256 of the text in hex: windows of one baseline merge
  std::int64_t rows = 0;
  /// Of format 1 what its members say: classes (which may be binary), regression, or tokens for neither.
  Task task = Task::kTokens;
  std::optional<double> threshold;  ///< of binary
  std::vector<BaselineInput> inputs;
  std::vector<std::int64_t> labels, predictions;  ///< by class; empty of other tasks
  std::optional<SegmentScore> score;              ///< all rows, of classes and binary
  std::optional<BaselineColumn> confidence;
  std::optional<CalibrationTable> calibration;
  std::map<std::string, SegmentScore> segments;  ///< by "COLUMN=VALUE"
  std::vector<BaselineColumn> targets, outputs;  ///< of regression
  std::vector<double> mean_absolute_error;       ///< by target

  [[nodiscard]] bool has_classes() const { return !predictions.empty(); }
};

inline constexpr std::size_t kBaselineBytesMost = std::size_t{64} << 20;

/// Formats 1 and 2. kCorrupt with the path of what is wrong: "baseline: at inputs[0].columns[3].cdf: ..."; kUnsupported for
/// another format; kResource above kBaselineBytesMost.
Result<Baseline> ParseBaseline(std::string_view text);

}  // namespace muster::registry::monitor
