#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/agent/rank_sample.h"
#include "runtime/base/clock.h"

/// Which rank the others wait for, step after step. Ranks in lockstep all take the same time for a step; the
/// slow one is busy for most of it while the others wait. So: over a minute and 20 steps at least, a rank
/// that used more than 1.3 times the CPU of the median of the others, and half of a CPU at least. It is seen
/// only where waiting sleeps (gloo, a socket); ranks that wait by spinning use the CPU as well.

namespace muster::agent {

struct Straggler {
  int rank = 0;
  std::string why;  ///< "busy 92 % of a minute of steps, the others 41 %: they wait for it"
};

/// One gang. Names each rank once.
class StragglerWatch {
 public:
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr int kStepsLeast = 20;
  static constexpr double kRatio = 1.3;
  static constexpr double kShareLeast = 0.5;  ///< of one CPU

  /// The gang made a step.
  void Step() { ++steps_; }
  [[nodiscard]] std::optional<Straggler> Observe(const std::vector<RankSample>& samples,
                                                 MonotonicTime now);

 private:
  [[nodiscard]] static std::optional<Straggler> Slowest(const std::map<int, double>& shares);

  std::map<int, std::int64_t> cpu_ms_;  ///< at the begin of the window
  MonotonicTime begin_;
  int steps_ = 0;  ///< in the window
  std::set<int> named_;
};

}  // namespace muster::agent
