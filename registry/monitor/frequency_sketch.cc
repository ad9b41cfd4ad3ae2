#include "registry/monitor/frequency_sketch.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace muster::registry::monitor {

void FrequencySketch::Add(double value) {
  ++total_;
  if (const auto found = counts_.find(value); found != counts_.end()) {
    ++found->second;
  } else if (counts_.size() < capacity_) {
    counts_.emplace(value, 1);
  } else {
    Reduce(1);
  }
}

void FrequencySketch::Reduce(std::int64_t by) {
  error_ += by;
  for (auto& [value, count] : counts_) count -= by;
  std::erase_if(counts_, [](const auto& entry) { return entry.second <= 0; });
}

void FrequencySketch::Merge(const FrequencySketch& other) {
  total_ += other.total_;
  error_ += other.error_;
  for (const auto& [value, count] : other.counts_) counts_[value] += count;
  if (counts_.size() <= capacity_) return;
  std::vector<std::int64_t> largest;
  largest.reserve(counts_.size());
  for (const auto& [value, count] : counts_) largest.push_back(count);
  const auto nth = largest.begin() + static_cast<std::ptrdiff_t>(capacity_);
  std::ranges::nth_element(largest, nth, std::greater<>());
  Reduce(*nth);
}

Result<FrequencySketch> FrequencySketch::FromCounts(std::map<double, std::int64_t> counts,
                                                    std::int64_t total, std::int64_t error,
                                                    std::size_t capacity) {
  if (counts.size() > capacity) {
    return Corrupt("frequency sketch: " + std::to_string(counts.size()) +
                   " values, wanted at most " + std::to_string(capacity));
  }
  std::int64_t rest = total;
  for (const auto& [value, count] : counts) {
    if (value != value || count < 1 || count > rest) {
      return Corrupt("frequency sketch: its counts are not those of " + std::to_string(total) +
                     " values");
    }
    rest -= count;
  }
  if (total < 0 || error < 0 || error > rest || (rest > 0 && error == 0)) {
    return Corrupt("frequency sketch: " + std::to_string(rest) +
                   " values are in no count, with an error of " + std::to_string(error));
  }
  FrequencySketch sketch(capacity);
  sketch.counts_ = std::move(counts);
  sketch.total_ = total;
  sketch.error_ = error;
  return sketch;
}

}  // namespace muster::registry::monitor
