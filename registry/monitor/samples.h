#pragma once

#include <cstdint>
#include <vector>

#include "registry/monitor/drift.h"

/// Drift of rows that are all there, without a sketch: exact, and as fast as sorting the current ones. T is float or double.
/// Pure; any thread.

namespace muster::registry::monitor {

/// Sorted once, for any number of comparisons. Holds the values and little else.
template <typename T>
class SortedReference {
 public:
  /// One finite value at least; NaN and infinite ones are left out.
  explicit SortedReference(std::vector<T> values);

  [[nodiscard]] const std::vector<T>& values() const { return values_; }
  [[nodiscard]] double mean() const { return mean_; }
  [[nodiscard]] double std() const { return std_; }  ///< divides by the count, as numpy.std
  /// Bounds of the bins between the distinct 5 % quantiles (numpy.quantile): a bin holds its lower bound; the first and the
  /// last take what is outside.
  [[nodiscard]] const std::vector<double>& inner_edges() const { return inner_edges_; }
  [[nodiscard]] const std::vector<std::int64_t>& bins() const { return bins_; }
  /// Integral of sqrt(F (1 - F)).
  [[nodiscard]] double spread() const { return spread_; }

 private:
  std::vector<T> values_;
  double mean_ = 0, std_ = 0, spread_ = 0;
  std::vector<double> inner_edges_;
  std::vector<std::int64_t> bins_;
};

/// As numbers. `current` is sorted in place; NaN and infinite values are left out, and one must remain.
template <typename T>
ColumnDrift DriftOfSamples(const SortedReference<T>& reference, std::vector<T>& current,
                           const DriftSpec& spec);

/// Of two ascending samples with one value at least each; `spread` is the reference's.
template <typename T>
CdfDistance SampleDistance(const std::vector<T>& reference, const std::vector<T>& current,
                           double spread);

}  // namespace muster::registry::monitor
