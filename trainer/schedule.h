#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Learning rates over a trial, as pure functions of the optimizer step.

namespace muster::trainer {

enum class ScheduleKind {
  kConstant,
  kCosine,  ///< down to `final_fraction` of the peak along half a cosine (Loshchilov and Hutter 2016)
  kStep,    ///< times `step_factor` after every `step_every` steps
  kLinear,  ///< down to `final_fraction` of the peak along a line
  kOneCycle,  ///< from a 25th of the peak up to it in the first 30 % of the steps, then down to a 250,000th, both
  ///< along half a cosine (Smith and Topin 2017; the numbers are those of PyTorch's OneCycleLR).
  ///< Momentum is not cycled. The rise is its warm-up: warmup_steps and final_fraction say nothing
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 0.001;
  std::int64_t warmup_steps = 0;  ///< linear from peak / warmup_steps up to the peak
  std::int64_t total_steps = 1;
  double final_fraction = 0.0;
  std::int64_t step_every = 1;
  double step_factor = 0.1;
};

/// "constant", "cosine", "linear", "one_cycle", "step".
std::vector<std::string> ScheduleNames();
/// kInvalid lists the names.
Result<ScheduleKind> ScheduleKindFromName(std::string_view name);

/// The rate of optimizer step `step`, counted from 0. Beyond total_steps the rate stays what it was; that of
/// kStep goes on falling.
double LearningRate(const Schedule& schedule, std::int64_t step);

}  // namespace muster::trainer
