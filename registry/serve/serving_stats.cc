#include "registry/serve/serving_stats.h"

#include <algorithm>
#include <numeric>

namespace muster::registry::serve {

namespace {

std::uint64_t Count(std::chrono::nanoseconds duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
}

void Add(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

void ServingStats::Bucket(std::chrono::nanoseconds total) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(total).count();
  const auto* const bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
  Add(buckets_[static_cast<std::size_t>(bound - kBoundsUs.begin())], 1);
}

void ServingStats::Succeeded(const RequestTimes& times, std::int64_t rows, UnixMillis now) {
  Add(success_, 1);
  Add(rows_, static_cast<std::uint64_t>(rows));
  Add(success_ns_, Count(times.total));
  Add(queue_ns_, Count(times.queue));
  Add(input_ns_, Count(times.input));
  Add(infer_ns_, Count(times.infer));
  Add(output_ns_, Count(times.output));
  last_inference_.store(now, std::memory_order_relaxed);
  Bucket(times.total);
}

void ServingStats::Failed(std::chrono::nanoseconds total, FailureReason reason) {
  Add(failures_[static_cast<std::size_t>(reason)], 1);
  Add(fail_ns_, Count(total));
  Bucket(total);
}

void ServingStats::Executed(std::int64_t rows, const RequestTimes& times) {
  Add(executions_, 1);
  const std::lock_guard lock(mutex_);
  if (batches_.size() >= kMostBatchSizes && !batches_.contains(rows)) return;
  Batch& batch = batches_[rows];
  ++batch.count;
  batch.input_ns += Count(times.input);
  batch.infer_ns += Count(times.infer);
  batch.output_ns += Count(times.output);
}

ServingStats::Snapshot ServingStats::Read() const {
  Snapshot read;
  read.rows = rows_;
  read.executions = executions_;
  read.last_inference = last_inference_;
  const std::uint64_t success = success_;
  std::copy(failures_.begin(), failures_.end(), read.failures.begin());
  const auto failed = std::accumulate(read.failures.begin(), read.failures.end(), std::uint64_t{0});
  read.success = {success, success_ns_};
  read.fail = {failed, fail_ns_};
  read.queue = {success, queue_ns_};
  read.input = {success, input_ns_};
  read.infer = {success, infer_ns_};
  read.output = {success, output_ns_};
  std::copy(buckets_.begin(), buckets_.end(), read.buckets.begin());
  const std::lock_guard lock(mutex_);
  read.batches = batches_;
  return read;
}

}  // namespace muster::registry::serve
