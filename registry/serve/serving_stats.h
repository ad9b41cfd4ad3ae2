#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// What one version of a model has done since the server started, as Prometheus reads it. The first
/// five names are Triton's, so that its dashboards work.

namespace muster::registry::serve {

/// Safe from any thread; counting is a few relaxed additions.
class ServingStats {
 public:
  /// `rows` of the request's first input.
  void Succeeded(std::chrono::nanoseconds duration, std::int64_t rows);
  void Failed(std::chrono::nanoseconds duration);

  struct Snapshot {
    std::uint64_t success = 0, failure = 0, rows = 0, duration_us = 0;
    /// Requests of each bucket by itself; the last is everything slower.
    std::array<std::uint64_t, 15> buckets{};
  };
  [[nodiscard]] Snapshot Read() const;

  /// Upper bounds of all buckets but the last, in microseconds.
  static constexpr std::array<std::int64_t, 14> kBoundsUs{
      50,     100,    200,    500,     1'000,   2'000,   5'000,
      10'000, 20'000, 50'000, 100'000, 200'000, 500'000, 1'000'000};

 private:
  void Time(std::chrono::nanoseconds duration);

  std::atomic<std::uint64_t> success_ = 0, failure_ = 0, rows_ = 0, duration_ns_ = 0;
  std::array<std::atomic<std::uint64_t>, kBoundsUs.size() + 1> buckets_{};
};

/// The text format 0.0.4, a block a metric, a line a model version.
class PrometheusText {
 public:
  void Add(std::string_view model, std::string_view version, const ServingStats::Snapshot& stats);
  [[nodiscard]] std::string Take() &&;

 private:
  struct Block {
    std::string_view name, type, help;
    std::string lines;
  };
  std::array<Block, 5> blocks_{
      {{"nv_inference_request_success", "counter", "requests answered with a result", {}},
       {"nv_inference_request_failure", "counter", "requests answered with an error", {}},
       {"nv_inference_count", "counter", "rows inferred", {}},
       {"nv_inference_request_duration_us", "counter", "microseconds spent on all requests", {}},
       {"muster_inference_request_seconds", "histogram", "a request, decoded to encoded", {}}}};
};

}  // namespace muster::registry::serve
