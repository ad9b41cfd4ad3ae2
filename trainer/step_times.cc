#include "trainer/step_times.h"

#include <algorithm>
#include <utility>

namespace muster::trainer {

void StepTimes::Add(const StepTime& step) {
  sum_.load += step.load;
  sum_.forward += step.forward;
  sum_.backward += step.backward;
  sum_.wait += step.wait;
  sum_.all += step.all;
  sum_.rows += step.rows;
  ++steps_;
}

std::map<std::string, double> StepTimes::Take() {
  std::map<std::string, double> means;
  const StepTime sum = std::exchange(sum_, {});
  const auto steps = static_cast<double>(std::exchange(steps_, 0));
  if (steps == 0) return means;
  means["step_seconds"] = sum.all / steps;
  means["load_seconds"] = sum.load / steps;
  const double compute = std::max(0.0, sum.all - sum.load - sum.wait);
  means["forward_seconds"] = sum.forward / steps;
  means["backward_seconds"] = sum.backward / steps;
  means["wait_seconds"] = sum.wait / steps;
  means["optimizer_seconds"] = std::max(0.0, compute - sum.forward - sum.backward) / steps;
  means["compute_seconds"] = compute / steps;
  if (sum.all > 0) means["samples_per_second"] = static_cast<double>(sum.rows) / sum.all;
  return means;
}

}  // namespace muster::trainer
