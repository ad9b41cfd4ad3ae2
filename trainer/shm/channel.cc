#include "trainer/shm/channel.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <thread>
#include <utility>

namespace muster::trainer::shm {
namespace {

using Clock = std::chrono::steady_clock;

/// Between looks at the other ranks.
constexpr std::chrono::milliseconds kNap{20};
/// Longer than a rank takes for a slot, and about what a sleep and a wake cost.
constexpr std::chrono::microseconds kSpinMax{50};
constexpr std::chrono::microseconds kSpinMin{1};
constexpr int kPausesBetweenClocks = 16;

bool Reached(const Counter& counter, std::uint32_t target) {
  return static_cast<std::int32_t>(counter.value.load(std::memory_order_acquire) - target) >= 0;
}

/// While `counter` is `value`, and a nap at most.
void Sleep(const Counter& counter, std::uint32_t value) {
  const timespec nap{.tv_nsec = std::chrono::nanoseconds(kNap).count()};
  syscall(SYS_futex, &counter.value, FUTEX_WAIT, value, &nap, nullptr, 0);
}

void Pause() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

void WakeAll(const Counter& counter) {
  syscall(SYS_futex, &counter.value, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

Channel::Channel(Meeting meeting, std::chrono::milliseconds timeout)
    : segment_(std::move(meeting.segment)),
      processes_(std::move(meeting.processes)),
      rank_(meeting.rank),
      timeout_(timeout),
      cores_for_all_(std::thread::hardware_concurrency() >= segment_.layout().ranks),
      spin_time_(kSpinMax) {}

Channel::~Channel() {
  RankState present = RankState::kPresent;
  mine().state.compare_exchange_strong(present, RankState::kLeft);
  for (const Member counter : {&RankBlock::written, &RankBlock::reduced, &RankBlock::done}) {
    WakeAll(mine().*counter);
  }
}

Status Channel::Run(Call call, const Steps& steps, bool spin) {
  if (!broken_.ok()) return broken_;
  call.number = call_.number + 1;
  call_ = call;
  mine().calls[call.number % kCallsKept] = call;
  mine().called.store(call.number, std::memory_order_release);
  broken_ = Advance(steps, spin && cores_for_all_);
  if (!broken_.ok()) Fail(broken_.error());
  return broken_;
}

Status Channel::Advance(const Steps& steps, bool spin) {
  Progress progress{.count = std::max(1U, steps.count)};
  while (progress.done < progress.count) {
    MUSTER_RETURN_IF_ERROR(Step(steps, progress, spin));
  }
  base_ += progress.count;
  // Counters are compared modulo 2^32, so none may fall far behind; nobody sleeps on this one here.
  if (!steps.reduce) mine().reduced.value.store(base_, std::memory_order_release);
  return Ok();
}

/// The last action that can be taken now; or a wait for what the first unfinished step needs.
Status Channel::Step(const Steps& steps, Progress& progress, bool spin) {
  const bool reduces = steps.reduce != nullptr;
  const std::uint32_t readable = reduces ? progress.reduced : progress.written;
  const Member to_read = reduces ? &RankBlock::reduced : &RankBlock::written;
  const auto compare = [&] {
    return std::exchange(progress.compared, true) ? Ok() : CompareCalls();
  };
  if (progress.done < readable && AllReached(to_read, base_ + progress.done + 1)) {
    MUSTER_RETURN_IF_ERROR(compare());
    if (steps.read) steps.read(progress.done);
    Publish(&RankBlock::done, base_ + ++progress.done);
    return Ok();
  }
  if (reduces && progress.reduced < progress.written &&
      AllReached(&RankBlock::written, base_ + progress.reduced + 1)) {
    MUSTER_RETURN_IF_ERROR(compare());
    steps.reduce(progress.reduced);
    Publish(&RankBlock::reduced, base_ + ++progress.reduced);
    return Ok();
  }
  const std::uint32_t free = base_ + progress.written + 1 - kSlots;
  if (progress.written < progress.count && AllReached(&RankBlock::done, free)) {
    if (steps.write) steps.write(progress.written);
    Publish(&RankBlock::written, base_ + ++progress.written);
    return Ok();
  }
  if (progress.done < readable) return WaitForAll(to_read, base_ + progress.done + 1, spin);
  if (reduces && progress.reduced < progress.written) {
    return WaitForAll(&RankBlock::written, base_ + progress.reduced + 1, spin);
  }
  return WaitForAll(&RankBlock::done, free, spin);
}

bool Channel::AllReached(Member counter, std::uint32_t target) const {
  for (std::uint32_t peer = 0; peer < ranks(); ++peer) {
    if (!Reached(segment_.rank(peer).*counter, target)) return false;
  }
  return true;
}

Status Channel::WaitForAll(Member counter, std::uint32_t target, bool spin) {
  for (std::uint32_t peer = 0; peer < ranks(); ++peer) {
    MUSTER_RETURN_IF_ERROR(WaitFor(peer, counter, target, spin));
  }
  return Ok();
}

Status Channel::WaitFor(std::uint32_t peer, Member counter, std::uint32_t target, bool spin) {
  Counter& awaited = segment_.rank(peer).*counter;
  if (Reached(awaited, target) || (spin && Spin(awaited, target))) return Ok();
  const auto deadline = Clock::now() + timeout_;
  Status status;
  awaited.sleepers.fetch_add(1);
  for (;;) {
    const std::uint32_t value = awaited.value.load();
    if (Reached(awaited, target)) break;
    Sleep(awaited, value);
    if (Reached(awaited, target)) break;
    status = LookAtOthers(peer);
    // What a rank did before it went counts.
    if (Reached(awaited, target)) status = Ok();
    if (!status.ok()) break;
    if (Clock::now() > deadline) {
      status = Overdue(peer);
      break;
    }
  }
  awaited.sleepers.fetch_sub(1);
  return status;
}

bool Channel::Spin(const Counter& counter, std::uint32_t target) {
  const auto start = Clock::now();
  do {
    for (int i = 0; i < kPausesBetweenClocks; ++i) {
      if (Reached(counter, target)) {
        spin_time_ = std::min<std::chrono::nanoseconds>(kSpinMax, spin_time_ * 2);
        return true;
      }
      Pause();
    }
  } while (Clock::now() - start < spin_time_);
  spin_time_ = std::max<std::chrono::nanoseconds>(kSpinMin, spin_time_ / 2);
  return false;
}

Status Channel::CompareCalls() const {
  for (std::uint32_t peer = 0; peer < ranks(); ++peer) {
    const Call theirs = segment_.rank(peer).calls[call_.number % kCallsKept];
    if (theirs == call_) continue;
    const std::string own_words = NameOf(rank_) + " calls " + Describe(call_);
    const std::string their_words = NameOf(peer) + " calls " + Describe(theirs);
    // The same words on both.
    return Conflict(rank_ < peer ? own_words + ", " + their_words : their_words + ", " + own_words);
  }
  return Ok();
}

/// A rank that has left has done its part, unless it is the awaited one.
Status Channel::LookAtOthers(std::uint32_t awaited) const {
  const std::string where = Describe(call_) + ": ";
  for (std::uint32_t peer = 0; peer < ranks(); ++peer) {
    const RankState state = segment_.rank(peer).state.load(std::memory_order_acquire);
    if (state == RankState::kPresent && processes_[peer].Gone()) {
      return Unavailable(where + NameOf(peer) + " is gone");
    }
    if (state == RankState::kLeft && peer == awaited) {
      return Unavailable(where + NameOf(peer) + " has left");
    }
  }
  for (std::uint32_t peer = 0; peer < ranks(); ++peer) {
    const RankBlock& block = segment_.rank(peer);
    if (block.state.load(std::memory_order_acquire) != RankState::kFailed) continue;
    return Unavailable(NameOf(peer) + " has failed: " + block.reason.data());
  }
  return Ok();
}

Error Channel::Overdue(std::uint32_t peer) const {
  const std::string seconds = std::to_string(timeout_.count() / 1000) + " s";
  std::string behind;
  for (std::uint32_t other = 0; other < ranks(); ++other) {
    const RankBlock& block = segment_.rank(other);
    const std::uint64_t called = block.called.load(std::memory_order_acquire);
    if (called >= call_.number) continue;
    behind += (behind.empty() ? "" : ", ") + NameOf(other) + " has not joined it, its last is ";
    behind += called == 0 ? "none" : Describe(block.calls[called % kCallsKept]);
  }
  if (behind.empty()) behind = NameOf(peer) + " has joined it and does not come on";
  return Unavailable(Describe(call_) + ": after " + seconds + " " + behind);
}

void Channel::Publish(Member counter, std::uint32_t value) {
  Counter& own = mine().*counter;
  // Sequentially consistent, as is the sleeper's: either it sees the value or this sees the sleeper.
  own.value.store(value);
  if (own.sleepers.load() != 0) WakeAll(own);
}

void Channel::Fail(const Error& error) {
  RankBlock& block = mine();
  const std::size_t length = std::min(error.message.size(), kReasonBytes - 1);
  std::memcpy(block.reason.data(), error.message.data(), length);
  block.reason.at(length) = '\0';
  block.state.store(RankState::kFailed, std::memory_order_release);
  for (const Member counter : {&RankBlock::written, &RankBlock::reduced, &RankBlock::done}) {
    WakeAll(block.*counter);
  }
}

std::string Channel::NameOf(std::uint32_t rank) const {
  return "rank " + std::to_string(rank) + " (pid " +
         std::to_string(segment_.rank(rank).process.pid) + ")";
}

}  // namespace muster::trainer::shm
