#pragma once

#include <cstdint>
#include <vector>

#include "tuner/scheduler.h"

namespace muster::tuner {

/// Asynchronous successive halving, the stopping variant: Li et al., "A System for Massively Parallel
/// Hyperparameter Tuning" (MLSys 2020). Rungs at min, min*eta, min*eta^2, ... below max (r, R and eta of
/// the paper). A trial that reaches a rung goes on when it is among the best max(1, floor(n/eta)) of the n
/// trials that have reached it so far; ties go to the lower trial number. A report that jumps over rungs is
/// judged at each of them. NaN is the worst.
class AshaPruner final : public Scheduler {
 public:
  struct Options {
    std::int64_t min = 1, max = 9, eta = 3;
  };
  explicit AshaPruner(Options options);
  Verdict Judge(std::int64_t number, const History& history) override;
  [[nodiscard]] std::vector<std::int64_t> rungs() const override { return rungs_; }
  std::string Explain(const History& history) override;

 private:
  Options options_;
  std::vector<std::int64_t> rungs_;
};

/// The median rule as Optuna has it (MedianPruner; Akiba et al., KDD 2019): stops a trial whose best value
/// up to its last step is worse than the median of what the completed trials had at that step, or is the
/// worst there is (NaN included). Google Vizier's rule (KDD 2017, 3.2.1) takes the median of running
/// averages instead. Silent before `startup_trials` are complete and at steps up to `warmup_steps`.
class MedianPruner final : public Scheduler {
 public:
  struct Options {
    std::int64_t startup_trials = 5, warmup_steps = 0;
  };
  explicit MedianPruner(Options options) : options_(options) {}
  Verdict Judge(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  Options options_;
};

}  // namespace muster::tuner
