#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// The range of an activation, from what it was on calibration rows. Pure.

namespace muster::onnx::compress {

/// low <= 0 <= high, so that 0 (padding, what Relu cuts off) is exact.
struct Range {
  float low = 0;
  float high = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

enum class RangeMethod {
  kMinMax,      ///< all of it; one outlier makes every step coarse
  kPercentile,  ///< (1 - p) / 2 of the values cut off at either end, p = kPercentileKept
  kEntropy,     ///< the symmetric cut that loses least information (below)
};
inline constexpr double kPercentileKept = 0.9999;

/// Two passes over the same values: extremes first, then counts in kBins equal bins over [-m, m], m = max|x|.
///
/// Entropy is Migacz, "8-bit inference with TensorRT" (GTC 2017): of all cuts T at a bin's edge, the one with the
/// least Kullback-Leibler divergence between the histogram of |x| with what lies beyond T added to its last bin,
/// and that histogram in kLevels levels, each level's count spread evenly over its bins that are not empty; empty
/// bins of both count as 1e-4.
class RangeObserver {
 public:
  static constexpr std::size_t kBins = 4096;  ///< half of them on either side of 0
  static constexpr std::size_t kLevels = 128;

  void AddExtremes(std::span<const float> values);
  void AddCounts(std::span<const float> values);
  /// kInvalid when a value was NaN or infinite, or there was none. kMinMax needs no second pass.
  [[nodiscard]] Result<Range> Find(RangeMethod method) const;

 private:
  [[nodiscard]] Range Percentile() const;
  [[nodiscard]] Range Entropy() const;
  [[nodiscard]] float Edge(std::size_t bin) const;

  bool seen_ = false, finite_ = true;
  Range extremes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace muster::onnx::compress
