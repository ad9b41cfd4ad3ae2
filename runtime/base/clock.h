#pragma once

#include <chrono>
#include <cstdint>

namespace muster {

/// A point on this process's monotonic clock. Leases and timeouts use it, each side its own; it never
/// crosses a wire.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Milliseconds since 1970 in UTC; for people, for MLflow, never for leases.
using UnixMillis = std::int64_t;

/// Where an adapter reads time. Pure code is handed times instead. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonotonicTime Now() const = 0;
  [[nodiscard]] virtual UnixMillis UnixNow() const = 0;
};

/// The machine's clocks; lives for ever.
const Clock& SystemClock();

/// A clock that moves only when told to; for tests. Not safe to advance from two threads.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] MonotonicTime Now() const override { return now_; }
  [[nodiscard]] UnixMillis UnixNow() const override { return unix_start_ + Elapsed().count(); }
  void Advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  [[nodiscard]] std::chrono::milliseconds Elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  }
  MonotonicTime now_{};
  UnixMillis unix_start_ = 1'700'000'000'000;
};

}  // namespace muster
