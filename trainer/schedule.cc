#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace muster::trainer {

Result<ScheduleKind> ScheduleKindFromName(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "step") return ScheduleKind::kStep;
  return Invalid("schedule '" + std::string(name) + "': wanted constant, cosine or step");
}

double LearningRate(const Schedule& schedule, std::int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.peak * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  const std::int64_t after = step - schedule.warmup_steps;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return schedule.peak;
    case ScheduleKind::kCosine: {
      const std::int64_t span =
          std::max<std::int64_t>(1, schedule.total_steps - schedule.warmup_steps);
      const double done = static_cast<double>(std::min(after, span)) / static_cast<double>(span);
      const double half_cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
      return schedule.peak *
             (schedule.final_fraction + (1.0 - schedule.final_fraction) * half_cosine);
    }
    case ScheduleKind::kStep: {
      const std::int64_t every = std::max<std::int64_t>(1, schedule.step_every);
      const std::int64_t drops = after / every;
      return schedule.peak * std::pow(schedule.step_factor, static_cast<double>(drops));
    }
  }
  return schedule.peak;
}

}  // namespace muster::trainer
