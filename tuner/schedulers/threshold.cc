#include "tuner/schedulers/threshold.h"

namespace muster::tuner {

void ThresholdRule::Seen::Add(const Report& report) {
  const double value = ValueOf(report.loss, options.goal);
  outside =
      outside || report.loss == std::numeric_limits<double>::infinity() ||
      (report.step > options.warmup_steps && (value < options.lower || value > options.upper));
}

Verdict ThresholdRule::Judge(std::int64_t number, const History& history) {
  return own_.Of(number, history).outside ? Verdict::kStop : Verdict::kContinue;
}

std::string ThresholdRule::Explain(const History& history) {
  std::int64_t outside = 0;
  for (std::int64_t number = 0; number < history.size(); ++number) {
    outside += own_.Of(number, history).outside ? 1 : 0;
  }
  return "threshold: a trial stops outside of " + ParamText(options_.lower) + " to " +
         ParamText(options_.upper) + "; " + std::to_string(outside) + " came there";
}

}  // namespace muster::tuner
