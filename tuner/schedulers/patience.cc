#include "tuner/schedulers/patience.h"

#include <algorithm>

namespace muster::tuner {

void PatienceRule::Wait::Add(const Report& report) {
  if (report.loss < best - options.min_delta) {
    best = report.loss;
    since = 0;
    step = report.step;
    return;
  }
  if (step < 0) step = report.step;
  ++since;
  over = over || (options.reports > 0 && since >= options.reports) ||
         (options.steps > 0 && report.step - step >= options.steps);
}

Verdict PatienceRule::Judge(std::int64_t number, const History& history) {
  return own_.Of(number, history).over ? Verdict::kStop : Verdict::kContinue;
}

std::string PatienceRule::Explain(const History& history) {
  std::int64_t over = 0;
  for (std::int64_t number = 0; number < history.size(); ++number) {
    over += own_.Of(number, history).over ? 1 : 0;
  }
  const bool reports = options_.reports > 0;
  return "patience: a trial stops when it has not improved by more than " +
         ParamText(options_.min_delta) + " for " +
         std::to_string(reports ? options_.reports : options_.steps) +
         (reports ? " reports; " : " steps; ") + std::to_string(over) + " came to that";
}

}  // namespace muster::tuner
