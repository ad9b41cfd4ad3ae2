#pragma once

#include <cstdint>
#include <limits>

#include "tuner/scheduler.h"
#include "tuner/schedulers/own_reports.h"

namespace muster::tuner {

/// Stops a trial that has not improved by more than `min_delta` for `reports` reports, or for `steps` steps.
/// Improved: against the loss at its last improvement, the first report being one. NaN improves nothing.
class PatienceRule final : public Scheduler {
 public:
  struct Options {
    std::int64_t reports = 0, steps = 0;  ///< one of them is above 0
    double min_delta = 0;
  };
  explicit PatienceRule(const Options& options)
      : options_(options), own_(Wait{.options = options}) {}
  Verdict Judge(std::int64_t number, const History& history) override;
  std::string Explain(const History& history) override;

 private:
  struct Wait {
    Options options;
    double best = std::numeric_limits<double>::infinity();
    std::int64_t since = 0, step = -1;  ///< reports since, and the step of, the last improvement
    bool over = false;
    void Add(const Report& report);
  };

  Options options_;
  OwnReports<Wait> own_;
};

}  // namespace muster::tuner
