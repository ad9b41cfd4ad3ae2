#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/base/result.h"

/// Learning rates over a trial, as pure functions of the optimizer step.

namespace muster::trainer {

enum class ScheduleKind {
  kConstant,
  kCosine,  ///< down to `final_fraction` of the peak along half a cosine (Loshchilov and Hutter 2016)
  kStep,    ///< times `step_factor` after every `step_every` steps
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 0.001;
  std::int64_t warmup_steps =
      0;  ///< linear from peak / warmup_steps up to the peak, for every kind
  std::int64_t total_steps = 1;
  double final_fraction = 0.0;
  std::int64_t step_every = 1;
  double step_factor = 0.1;
};

/// "constant", "cosine", "step"; kInvalid lists them.
Result<ScheduleKind> ScheduleKindFromName(std::string_view name);

/// The rate of optimizer step `step`, counted from 0. Beyond total_steps a cosine keeps its last rate; steps
/// go on falling.
double LearningRate(const Schedule& schedule, std::int64_t step);

}  // namespace muster::trainer
