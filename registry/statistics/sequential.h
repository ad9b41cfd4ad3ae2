#pragma once

#include <cstdint>
#include <vector>

#include "registry/statistics/interval.h"

/// Inference on yes/no outcomes that may be looked at after each of them: whoever stops when they like what they see is
/// wrong with the stated probability all the same. Everything rests on e-processes: non-negative, 1 at the start, of mean
/// at most 1 under the null hypothesis whenever one stops, so that reaching 1 / alpha has probability alpha at most
/// (Ville 1939; Ramdas et al., Statistical Science 38, 2023). Pure; a test is one thread's at a time.

namespace muster::registry::statistics {

/// Interval of a rate that holds after all numbers of outcomes at once: the rates that Robbins' mixture (Annals of
/// Mathematical Statistics 41, 1970), here beta(1/2, 1/2) with the binomial, does not refuse. [0, 1] of none.
Interval SequentialInterval(std::int64_t successes, std::int64_t trials, double confidence);

struct Rate {
  std::int64_t successes = 0, trials = 0;
};

/// H0: a challenger succeeds at least as often as a champion. Exact for any rates, also such as change with time; how
/// requests are dealt out must not depend on outcomes. E-variable of Turner, Ly and Grünwald (2021, arXiv:2106.02693,
/// section 3) for blocks of outcomes, its alternative the running rates held apart by a loss; half of the evidence is put
/// on `loss` and the rest on losses 2, 4 and 8 times as large. A true loss below half of `loss` is not found, by intent.
class LossTest {
 public:
  /// `loss` in (0, 0.5): the smallest difference of the rates that matters.
  explicit LossTest(double loss);

  void AddChampion(bool success);
  void AddChallenger(bool success);

  /// Against H0; at least 1 / alpha: the challenger is worse, wrongly said with probability alpha.
  [[nodiscard]] double evidence() const;

  [[nodiscard]] Rate champion() const;
  [[nodiscard]] Rate challenger() const;

 private:
  void Add(Rate& count, bool success);
  void CloseBlock();

  std::vector<double> losses_, log_evidence_;
  Rate champion_, challenger_;              ///< of closed blocks
  Rate block_champion_, block_challenger_;  ///< not yet part of the evidence
};

/// H0: an event has a rate of at most `limit`: that a call is slower than the bound of a quantile, say. Mixture of
/// likelihood ratios against rates 1.5, 2, 4 and 8 times as high.
class ExceedanceTest {
 public:
  explicit ExceedanceTest(double limit);  ///< in (0, 1)

  void Add(bool event);
  /// Against H0, as LossTest's.
  [[nodiscard]] double evidence() const;
  [[nodiscard]] const Rate& events() const { return events_; }

 private:
  double limit_;
  std::vector<double> rates_;
  Rate events_;
};

}  // namespace muster::registry::statistics
