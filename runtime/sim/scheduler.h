#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

/// Simulated time and what is to happen in it.

namespace muster::sim {

/// Microseconds of simulated time since the history began.
using Micros = std::int64_t;
inline constexpr Micros kMillisecond = 1'000;
inline constexpr Micros kSecond = 1'000'000;

/// Runs actions in the order of their time; those of one time in the order in which they were asked for, so
/// that a history depends on its seed alone.
class Scheduler {
 public:
  void After(Micros delay, std::function<void()> action) {
    queue_.push({now_ + (delay < 0 ? 0 : delay), next_++, std::move(action)});
  }
  /// Runs the next action; false when there is none.
  bool RunOne() {
    if (queue_.empty()) return false;
    auto action = std::move(const_cast<Entry&>(queue_.top()).action);  // NOLINT: popped next line
    now_ = queue_.top().time;
    queue_.pop();
    action();
    return true;
  }
  [[nodiscard]] Micros now() const { return now_; }

 private:
  struct Entry {
    Micros time = 0;
    std::uint64_t order = 0;
    std::function<void()> action;
    bool operator<(const Entry& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };
  std::priority_queue<Entry> queue_;
  Micros now_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace muster::sim
