#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "registry/monitor/baseline.h"
#include "registry/monitor/drift.h"
#include "registry/monitor/frequency_sketch.h"
#include "registry/monitor/quantile_sketch.h"

/// What a window of traffic keeps of one column: bounded, whatever comes. Pure; one thread at a time.

namespace muster::registry::monitor {

/// Of a row's elements in a pooled column, so many are looked at.
inline constexpr std::int64_t kPooledSample = 64;

/// Windows of the same baseline column merge.
class ColumnWindow {
 public:
  explicit ColumnWindow(const BaselineColumn& baseline, std::uint64_t seed = 0);

  /// `baseline` is the one that it was made for. NaN is missing.
  void Add(const BaselineColumn& baseline, double value);
  void Merge(const ColumnWindow& other);

  [[nodiscard]] std::int64_t count() const { return count_; }  ///< finite values
  [[nodiscard]] std::int64_t missing() const { return missing_; }
  [[nodiscard]] std::int64_t infinite() const { return infinite_; }
  [[nodiscard]] std::int64_t all() const { return count_ + missing_ + infinite_; }
  /// Values that the baseline has not: beyond its ends, or of categories none of them.
  [[nodiscard]] std::int64_t outside() const { return outside_; }
  [[nodiscard]] const std::optional<double>& example() const { return example_; }  ///< one of them
  [[nodiscard]] const std::vector<std::int64_t>& counts() const { return counts_; }
  [[nodiscard]] const QuantileSketch& sketch() const { return sketch_; }
  /// Of categories, those that the baseline has not.
  [[nodiscard]] const FrequencySketch& unseen() const { return unseen_; }

 private:
  friend struct ColumnWindowJson;

  std::int64_t count_ = 0, missing_ = 0, infinite_ = 0, outside_ = 0;
  std::optional<double> example_;
  std::vector<std::int64_t>
      counts_;             ///< of the baseline's bins, or of its values and then of all others
  QuantileSketch sketch_;  ///< of numbers alone
  FrequencySketch unseen_;
};

/// Without a verdict yet. None where either side has no finite value. All values of a row in a pooled column together count
/// as one: they say less than as many rows.
std::optional<ColumnDrift> DriftOf(const BaselineColumn& baseline, const ColumnWindow& window,
                                   const DriftSpec& spec);

}  // namespace muster::registry::monitor
