#pragma once

#include <cstdint>
#include <limits>

#include "tuner/scheduler.h"
#include "tuner/schedulers/own_reports.h"

namespace muster::tuner {

/// Stops a trial that reports a value of the first objective, as people know it, below `lower` or above `upper`
/// at a step beyond `warmup_steps`, or the worst there is (NaN included) at any step.
class ThresholdRule final : public Scheduler {
 public:
  struct Options {
    double lower = -std::numeric_limits<double>::infinity();
    double upper = std::numeric_limits<double>::infinity();
    std::int64_t warmup_steps = 0;
    Goal goal = Goal::kMinimize;
  };
  explicit ThresholdRule(const Options& options)
      : options_(options), own_(Seen{.options = options}) {}
  Verdict Judge(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  struct Seen {
    Options options;
    bool outside = false;
    void Add(const Report& report);
  };

  Options options_;
  OwnReports<Seen> own_;
};

}  // namespace muster::tuner
