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
/// slow one works for most of it while the others wait.
/// Where every rank beats (beat.h), the slow one is the last whenever one looks: over two minutes in turn, of 20
/// steps each at least, the only last one in a quarter of the looks, and thrice as often as any other.
/// Besides, of any gang: over a minute and 20 steps at least, a rank that used more than 1.3 times the CPU of the median
/// of the others, and half of a CPU at least. It is seen only where waiting sleeps (gloo, a socket); ranks that wait
/// by spinning use the CPU as well.

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
  static constexpr int kLooksLeast = 5;
  static constexpr double kLastLeast = 0.25;  ///< of the looks
  static constexpr double kLastRatio = 3;     ///< to the next one

  explicit StragglerWatch(std::chrono::milliseconds window = kWindow) : window_(window) {}

  /// The gang made a step.
  void Step() { ++steps_; }
  [[nodiscard]] std::optional<Straggler> Observe(const std::vector<RankSample>& samples,
                                                 MonotonicTime now);

 private:
  [[nodiscard]] static std::optional<Straggler> Slowest(const std::map<int, double>& shares);
  [[nodiscard]] std::optional<Straggler> ObserveCpu(const std::vector<RankSample>& samples,
                                                    MonotonicTime now);
  [[nodiscard]] std::optional<Straggler> ObserveBeats(const std::vector<RankSample>& samples,
                                                      MonotonicTime now);
  [[nodiscard]] std::optional<Straggler> OftenLast(std::int64_t steps) const;

  std::chrono::milliseconds window_;
  std::map<int, std::int64_t> cpu_ms_;  ///< at the begin of the window
  MonotonicTime begin_;
  std::int64_t steps_ = 0;  ///< in the window
  std::set<int> named_;

  // Of ranks that beat, in a window of their own.
  MonotonicTime looks_from_;
  int looks_ = 0;
  std::int64_t first_step_ = 0;
  std::int64_t step_ = 0;       ///< at the last look
  std::map<int, int> last_;     ///< how often a rank alone was the last
  std::optional<int> suspect_;  ///< of the window before
};

}  // namespace muster::agent
