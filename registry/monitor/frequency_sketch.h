#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "runtime/base/result.h"

/// How often each value of a stream came: exact up to so many distinct ones, then as Misra and Gries (Finding repeated
/// elements, 1982) count: a value too many takes one from every count. A count is then too small by at most error(), which
/// is at most total() / (capacity + 1). Merges as Agarwal et al. (Mergeable Summaries, PODS 2012) do, in any order, with
/// the same bound. One thread at a time.

namespace muster::registry::monitor {

class FrequencySketch {
 public:
  static constexpr std::size_t kDefaultCapacity = 64;

  explicit FrequencySketch(std::size_t capacity = kDefaultCapacity) : capacity_(capacity) {}

  /// `value` is no NaN.
  void Add(double value);
  void Merge(const FrequencySketch& other);

  [[nodiscard]] std::int64_t total() const { return total_; }
  /// 0: all counts are exact.
  [[nodiscard]] std::int64_t error() const { return error_; }
  /// The true count is this one or up to error() more.
  [[nodiscard]] const std::map<double, std::int64_t>& counts() const { return counts_; }

  /// kCorrupt unless counts are positive, no more than `capacity`, and with `error` for each not above `total`.
  static Result<FrequencySketch> FromCounts(std::map<double, std::int64_t> counts,
                                            std::int64_t total, std::int64_t error,
                                            std::size_t capacity = kDefaultCapacity);

 private:
  /// Takes so much from all counts and drops those that come to nothing.
  void Reduce(std::int64_t by);

  std::size_t capacity_;
  std::map<double, std::int64_t> counts_;
  std::int64_t total_ = 0, error_ = 0;
};

}  // namespace muster::registry::monitor
