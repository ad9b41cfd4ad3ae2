#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/agent/rank_sample.h"
#include "runtime/base/clock.h"

/// Who hangs in a gang, judged from outside: from what the kernel counts for each rank's processes and, where
/// there are any, from the steps that ranks report. Pure: time comes with every call.
///
/// Over a window of `after` a rank is
///   quiet     it used next to no CPU and GPU, no I/O, and hardly woke up. It waits, or it is stuck.
///   spinning  it used the CPU (or queued for it) or its GPUs, but no I/O and no new memory: it waits in a loop,
///             as a collective's kernel does, or computes in place.
///   working   anything else. A gang with a working rank and no steps known is left alone.
/// Rules, the first that holds:
///   1. Stopped (SIGSTOP, a debugger) and quiet for `after`: those ranks.
///   2. Nothing below while the gang made a step within `after`.
///   3. Every rank beats (beat.h) and some stand behind the others, quiet; or quiet or spinning, where steps came
///      regularly and none for 10 times their median: those behind.
///   4. All ranks quiet: the one whose own step is behind the others', else all.
///   5. Some quiet, the others all spinning, the quiet ones not more than the others: the quiet ones.
///   6. Steps came regularly, and none for 10 times their median and `first`: the rank whose own step is
///      behind, else the fewer of quiet and busy ones, else all.
/// Steps are the beats of ranks that all beat, else those of the records.
/// Before the first step (and for a program that reports none) rules 4 and 5 wait for `first` instead of
/// `after`, but not when most of the ranks spin. A long step on the CPU cannot be told from an endless loop;
/// that is why rule 6 is patient and asks for a rhythm.

namespace muster::agent {

struct HangLimits {
  std::chrono::milliseconds after{45'000};
  std::chrono::milliseconds first{300'000};  ///< at least `after`
};

struct Hang {
  std::vector<int> ranks;  ///< those to blame, ascending; never empty
  std::string why;         ///< "no activity for 45 s at step 17 while 3 others spin"
  friend bool operator==(const Hang&, const Hang&) = default;
};

/// One gang. A few hundred bytes a rank.
class HangWatch {
 public:
  explicit HangWatch(HangLimits limits) : limits_(limits) {}

  /// A record came with `step`, of the trial's own unit; `rank` when it says whose. Steps that were seen
  /// already are no progress.
  void Step(std::optional<int> rank, std::int64_t step, MonotonicTime now);
  /// All ranks that live, about once a second. A rank that is not in it has ended.
  void Observe(const std::vector<RankSample>& samples, MonotonicTime now);
  /// Their beats alone, while what they use is no measure (a debugger looks at them).
  void ObserveBeats(const std::vector<RankSample>& samples, MonotonicTime now);
  /// As of the last observation.
  [[nodiscard]] std::optional<Hang> Judge() const;

  [[nodiscard]] MonotonicTime step_at() const { return step_at_; }

 private:
  /// What a rank used since it was first seen; never falls, though its children end.
  struct Used {
    std::int64_t cpu_ms = 0, ready_ms = 0, io_bytes = 0, switches = 0, faults = 0, gpu_ms = 0;
  };
  struct Rank {
    RankSample last;
    Used used;
    std::optional<MonotonicTime> stopped_at;  ///< the last look before it was, while it is
    std::deque<std::pair<MonotonicTime, Used>> points;  ///< of the past, oldest first
  };
  using Ranks = std::vector<int>;

  /// What the rank used in the last `window`; nullopt when it is not known for so long.
  [[nodiscard]] std::optional<Used> UsedIn(const Rank& rank,
                                           std::chrono::milliseconds window) const;
  [[nodiscard]] bool IsQuiet(const Rank& rank, std::chrono::milliseconds window) const;
  [[nodiscard]] bool IsSpinning(const Rank& rank, std::chrono::milliseconds window) const;
  template <typename Predicate>
  [[nodiscard]] Ranks Select(Predicate predicate) const;
  [[nodiscard]] Ranks Behind() const;
  [[nodiscard]] const Beat& NewestBeat() const;
  void FollowBeats(MonotonicTime now);
  void Advance(std::int64_t step, MonotonicTime now);
  [[nodiscard]] bool IsLate() const;
  [[nodiscard]] std::optional<Hang> JudgeBeats() const;
  [[nodiscard]] std::optional<Hang> JudgeWaits(std::chrono::milliseconds window) const;
  [[nodiscard]] std::optional<Hang> JudgeRhythm() const;
  [[nodiscard]] std::chrono::milliseconds MedianStep() const;
  [[nodiscard]] std::string AtStep() const;

  HangLimits limits_;
  std::map<int, Rank> ranks_;  ///< that live
  MonotonicTime now_;          ///< of the last observation
  MonotonicTime step_at_;      ///< of the newest step, else of the first observation
  bool observed_ = false;
  bool beating_ = false;                              ///< every living rank
  std::optional<std::int64_t> step_;                  ///< the newest of the gang
  std::map<int, std::int64_t> rank_steps_;            ///< the newest of each rank that says so
  std::deque<std::chrono::milliseconds> step_times_;  ///< the last ones, bounded
};

}  // namespace muster::agent
