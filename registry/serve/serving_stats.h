#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include "runtime/base/clock.h"

/// What one version of a model has done since the server started: the figures of Triton's statistics extension
/// (extension_statistics.md) and of its Prometheus page, and a histogram of our own.

namespace muster::registry::serve {

/// Where the time of a request went.
struct RequestTimes {
  std::chrono::nanoseconds total{0};   ///< from the first byte decoded to the answer ready
  std::chrono::nanoseconds queue{0};   ///< until its call of the engine
  std::chrono::nanoseconds input{0};   ///< decoded, and put together with others
  std::chrono::nanoseconds infer{0};   ///< the engine's
  std::chrono::nanoseconds output{0};  ///< taken apart from others, and encoded
};

/// Triton's; in the order of kFailureReasons.
enum class FailureReason { kRejected, kCanceled, kBackend, kOther };
inline constexpr std::array kFailureReasons{"REJECTED", "CANCELED", "BACKEND", "OTHER"};

/// Safe from any thread; counting a request is a few relaxed additions.
class ServingStats {
 public:
  /// `rows` of the request's first input.
  void Succeeded(const RequestTimes& times, std::int64_t rows, UnixMillis now);
  void Failed(std::chrono::nanoseconds total, FailureReason reason);
  /// One call of the engine, of `rows` in all. Only `times`' input, infer and output count: putting together, computing,
  /// taking apart.
  void Executed(std::int64_t rows, const RequestTimes& times);

  struct Duration {
    std::uint64_t count = 0, ns = 0;
  };
  struct Batch {
    std::uint64_t count = 0, input_ns = 0, infer_ns = 0, output_ns = 0;
  };
  struct Snapshot {
    std::uint64_t rows = 0, executions = 0;
    UnixMillis last_inference = 0;  ///< 0: none yet
    Duration success, fail, queue, input, infer, output;
    std::array<std::uint64_t, kFailureReasons.size()> failures{};
    /// Requests of each bucket by itself; the last is everything slower.
    std::array<std::uint64_t, 15> buckets{};
    /// By rows of a call; of the first kMostBatchSizes sizes.
    std::map<std::int64_t, Batch> batches;
  };
  [[nodiscard]] Snapshot Read() const;

  static constexpr std::size_t kMostBatchSizes = 256;
  /// Upper bounds of all buckets but the last, in microseconds.
  static constexpr std::array<std::int64_t, 14> kBoundsUs{
      50,     100,    200,    500,     1'000,   2'000,   5'000,
      10'000, 20'000, 50'000, 100'000, 200'000, 500'000, 1'000'000};

 private:
  using Counter = std::atomic<std::uint64_t>;
  void Bucket(std::chrono::nanoseconds total);

  Counter success_ = 0, rows_ = 0, executions_ = 0;
  Counter success_ns_ = 0, fail_ns_ = 0, queue_ns_ = 0, input_ns_ = 0, infer_ns_ = 0,
          output_ns_ = 0;
  std::atomic<UnixMillis> last_inference_ = 0;
  std::array<Counter, kFailureReasons.size()> failures_{};
  std::array<Counter, kBoundsUs.size() + 1> buckets_{};
  mutable std::mutex mutex_;  ///< guards batches_
  std::map<std::int64_t, Batch> batches_;
};

}  // namespace muster::registry::serve
