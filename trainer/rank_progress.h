#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

/// Where one rank is: backends count its collectives here, the loop names its phase, the watch over the ranks
/// (trainer/peers) tells the others.

namespace muster::trainer {

struct RankState {
  std::uint64_t queued = 0;    ///< collectives, over the whole life of the rank
  std::uint64_t finished = 0;  ///< of those; they finish in order
  std::string waits_for;  ///< "allreduce": the first unfinished one; empty when all are finished
  std::string phase;      ///< Position::phase of trainer/control.h
  std::int64_t step = 0;
  friend bool operator==(const RankState&, const RankState&) = default;
};

/// Lock-free. One thread at a time queues, one finishes, one enters; any number read.
class RankProgress {
 public:
  /// The next collective is queued. `name` must live for ever: a literal.
  void Queue(const char* name) {
    const auto number = queued_.load(std::memory_order_relaxed) + 1;
    names_[number % names_.size()].store(name, std::memory_order_relaxed);
    queued_.store(number, std::memory_order_release);
  }
  /// The first unfinished one is finished.
  void Finish() { finished_.fetch_add(1, std::memory_order_release); }
  /// `phase` must live for ever.
  void Enter(const char* phase, std::int64_t step) {
    phase_.store(phase, std::memory_order_relaxed);
    step_.store(step, std::memory_order_relaxed);
  }

  [[nodiscard]] RankState Read() const {
    // In this order: a collective that finishes meanwhile must not be read as finished and not queued.
    const auto finished = finished_.load(std::memory_order_acquire);
    const auto queued = queued_.load(std::memory_order_acquire);
    RankState state{.queued = queued,
                    .finished = finished,
                    .waits_for = {},
                    .phase = phase_.load(std::memory_order_relaxed),
                    .step = step_.load(std::memory_order_relaxed)};
    if (queued == finished) return state;
    // Names of more than the last few are forgotten.
    state.waits_for = queued - finished < names_.size()
                          ? names_[(finished + 1) % names_.size()].load(std::memory_order_relaxed)
                          : "collective";
    return state;
  }

 private:
  std::atomic<std::uint64_t> queued_ = 0;
  std::atomic<std::uint64_t> finished_ = 0;
  std::atomic<const char*> phase_ = "start";
  std::atomic<std::int64_t> step_ = 0;
  std::array<std::atomic<const char*>, 64> names_ = {};
};

}  // namespace muster::trainer
