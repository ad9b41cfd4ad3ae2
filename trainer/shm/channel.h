#pragma once

#include <chrono>
#include <functional>

#include "runtime/base/result.h"
#include "trainer/shm/rendezvous.h"

/// One rank's hold on the shared memory: runs collectives, each a row of steps that all ranks take.
///
/// 1. A rank writes its slot of a step, at most kSlots steps ahead of the slowest: `written`.
/// 2. When all have written, it reads the slots. Where the step reduces, each rank first reduces its part into
///    its own slot (`reduced`) and reads the parts when all have.
/// 3. When it has read, others may write that step's slot anew: `done`.
///
/// A rank always does the last of these that it can, so that copies in, reductions and copies out overlap. In
/// the first step the ranks compare what they call.
///
/// A rank that cannot go on sleeps (futex), a fiftieth of a second at most before it looks whether all
/// others live. Waiting is without locks in the shared memory, so a rank may die anywhere.

namespace muster::trainer::shm {

struct Steps {
  using Action = std::function<void(std::uint32_t step)>;
  std::uint32_t count = 1;
  Action write;   ///< empty: nothing to write
  Action reduce;  ///< empty: no step reduces
  Action read;    ///< empty: nothing to read
};

/// Not thread-safe.
class Channel {
 public:
  Channel(Meeting meeting, std::chrono::milliseconds timeout);
  /// Others that still wait for this rank hear that it has left.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] std::uint32_t rank() const { return rank_; }
  [[nodiscard]] std::uint32_t ranks() const { return segment_.layout().ranks; }
  [[nodiscard]] std::size_t slot_bytes() const { return segment_.layout().slot_bytes; }
  /// Within an action: a rank's slot of a step of the running collective.
  [[nodiscard]] std::byte* slot(std::uint32_t rank, std::uint32_t step) const {
    return segment_.slot(rank, base_ + step);
  }

  /// Runs one collective. `spin` allows a short spin before it sleeps: for a caller that has nothing else to
  /// do. kUnavailable when a rank is gone, has left, has failed, or does not come on within the timeout
  /// (named, with what it does instead); kConflict when ranks call different things (both named). After
  /// a failure it fails with the same words for ever, and the others hear of it.
  Status Run(Call call, const Steps& steps, bool spin);

 private:
  struct Progress {
    std::uint32_t count = 1, written = 0, reduced = 0, done = 0;
    bool compared = false;
  };
  using Member = Counter RankBlock::*;

  Status Advance(const Steps& steps, bool spin);
  Status Step(const Steps& steps, Progress& progress, bool spin);
  [[nodiscard]] bool AllReached(Member counter, std::uint32_t target) const;
  Status WaitForAll(Member counter, std::uint32_t target, bool spin);
  Status WaitFor(std::uint32_t peer, Member counter, std::uint32_t target, bool spin);
  bool Spin(const Counter& counter, std::uint32_t target);
  Status CompareCalls() const;
  [[nodiscard]] Status LookAtOthers(std::uint32_t awaited) const;
  [[nodiscard]] Error Overdue(std::uint32_t peer) const;
  void Publish(Member counter, std::uint32_t value);
  void Fail(const Error& error);
  [[nodiscard]] RankBlock& mine() const { return segment_.rank(rank_); }
  [[nodiscard]] std::string NameOf(std::uint32_t rank) const;

  Segment segment_;
  std::vector<PeerProcess> processes_;
  std::uint32_t rank_;
  std::chrono::milliseconds timeout_;
  bool cores_for_all_;
  std::chrono::nanoseconds spin_time_;  ///< shrinks where spinning does not help
  std::uint32_t base_ = 0;              ///< steps of all collectives before this one
  Call call_;                           ///< the last
  Status broken_;
};

}  // namespace muster::trainer::shm
