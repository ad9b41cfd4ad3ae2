#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tuner/scheduler.h"
#include "tuner/schedulers/own_reports.h"
#include "tuner/schedulers/rung.h"

namespace muster::tuner {

/// Stops a trial whose best loss so far is worse than a quantile of what the complete trials had at its last
/// step, or is the worst there is (NaN included). With the quantile 0.5 it is the median rule as Optuna has it
/// (MedianPruner; Akiba et al., KDD 2019), else its PercentilePruner; between two losses the quantile is
/// interpolated, as there. Google Vizier's rule (KDD 2017, 3.2.1) takes the median of running averages instead.
///
/// What a trial had at a step is its first report at or beyond it. Trials that broke do not count. Silent before
/// `startup_trials` complete ones have got to the step, and at steps up to `warmup_steps`. A report costs
/// O(log n), a completion O(log n) for each step that any trial was judged at.
class QuantileRule final : public Scheduler {
 public:
  struct Options {
    std::string name = "median";
    double quantile = 0.5;  ///< in (0, 1): the share that goes on
    std::int64_t startup_trials = 5, warmup_steps = 0;
  };
  explicit QuantileRule(Options options) : options_(std::move(options)) {}
  Verdict Judge(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;
  /// What it cost so far, in entries looked at.
  [[nodiscard]] std::uint64_t visits() const;

 private:
  struct BestSoFar {
    double loss = std::numeric_limits<double>::infinity();
    void Add(const Report& report) { loss = std::min(loss, report.loss); }
  };

  void Read(const History& history);
  void Count(std::int64_t number, const History& history);
  Rung& At(std::int64_t step, const History& history);

  Options options_;
  OwnReports<BestSoFar> best_;
  std::map<std::int64_t, Rung> steps_;  ///< steps that a trial was judged at
  std::vector<std::int64_t> complete_;  ///< numbers of what is in them
  std::vector<bool> ended_;             ///< by number
  std::size_t read_ = 0;
  std::uint64_t forgotten_visits_ = 0;
};

}  // namespace muster::tuner
