#include "trainer/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

namespace muster::trainer {
namespace {

constexpr std::array<std::pair<std::string_view, ScheduleKind>, 5> kNames = {{
    {"constant", ScheduleKind::kConstant},
    {"cosine", ScheduleKind::kCosine},
    {"linear", ScheduleKind::kLinear},
    {"one_cycle", ScheduleKind::kOneCycle},
    {"step", ScheduleKind::kStep},
}};

// PyTorch's defaults.
constexpr double kRiseShare = 0.3;
constexpr double kFirstDivisor = 25;
constexpr double kLastDivisor = 1e4;

/// From `start` at 0 to `end` at 1.
double HalfCosine(double start, double end, double done) {
  return end + (start - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

double OneCycle(const Schedule& schedule, std::int64_t step) {
  const double first = schedule.peak / kFirstDivisor;
  const double last_step = static_cast<double>(schedule.total_steps) - 1;
  const double top_step = kRiseShare * static_cast<double>(schedule.total_steps) - 1;
  const double now = std::min(static_cast<double>(step), last_step);
  if (now <= top_step) return HalfCosine(first, schedule.peak, now / top_step);
  return HalfCosine(schedule.peak, first / kLastDivisor, (now - top_step) / (last_step - top_step));
}

/// How much of the way after the warm-up is done, 0 to 1.
double Done(const Schedule& schedule, std::int64_t after) {
  const std::int64_t span = std::max<std::int64_t>(1, schedule.total_steps - schedule.warmup_steps);
  return static_cast<double>(std::min(after, span)) / static_cast<double>(span);
}

}  // namespace

std::vector<std::string> ScheduleNames() {
  std::vector<std::string> names;
  names.reserve(std::size(kNames));
  for (const auto& [name, kind] : kNames) names.emplace_back(name);
  return names;
}

Result<ScheduleKind> ScheduleKindFromName(std::string_view name) {
  std::string known;
  for (const auto& [text, kind] : kNames) {
    if (text == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  return Invalid("schedule '" + std::string(name) + "': wanted one of " + known);
}

double LearningRate(const Schedule& schedule, std::int64_t step) {
  if (schedule.kind == ScheduleKind::kOneCycle) return OneCycle(schedule, step);
  if (step < schedule.warmup_steps) {
    return schedule.peak * static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  const std::int64_t after = step - schedule.warmup_steps;
  const double end = schedule.peak * schedule.final_fraction;
  switch (schedule.kind) {
    case ScheduleKind::kCosine:
      return HalfCosine(schedule.peak, end, Done(schedule, after));
    case ScheduleKind::kLinear:
      return schedule.peak + (end - schedule.peak) * Done(schedule, after);
    case ScheduleKind::kStep: {
      const std::int64_t every = std::max<std::int64_t>(1, schedule.step_every);
      const std::int64_t drops = after / every;
      return schedule.peak * std::pow(schedule.step_factor, static_cast<double>(drops));
    }
    case ScheduleKind::kConstant:
    case ScheduleKind::kOneCycle:
      break;
  }
  return schedule.peak;
}

}  // namespace muster::trainer
