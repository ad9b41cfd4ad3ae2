#include "trainer/optimizer_spec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "runtime/base/check.h"

namespace muster::trainer {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// Bounds of one member: from `low` to below `high`.
struct Bounds {
  std::string_view name;
  double value;
  double low = 0;
  double high = kNoLimit;
  bool above_low = false;  ///< `low` itself is not allowed
};

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.12g", value);
  return text;
}

Status CheckBounds(const Bounds& bounds) {
  const bool enough = bounds.above_low ? bounds.value > bounds.low : bounds.value >= bounds.low;
  if (enough && bounds.value < bounds.high) return Ok();  // false for NaN
  std::string wanted = (bounds.above_low ? "more than " : "from ") + Number(bounds.low);
  if (std::isfinite(bounds.high)) wanted += " to below " + Number(bounds.high);
  return Invalid("the optimizer's " + std::string(bounds.name) + " is " + Number(bounds.value) +
                 ", wanted " + wanted);
}

}  // namespace

OptimizerSpec SpecFromParams(const Params& params) {
  using Kind = OptimizerSpec::Kind;
  const auto schedule = ScheduleKindFromName(params.Text("schedule"));
  MUSTER_CHECK(schedule.ok(), "a trial's own choices of schedule are some of the loop's");
  return {.kind = params.Text("optimizer") == "sgd" ? Kind::kSgd : Kind::kAdamW,
          .weight_decay = params.Float("weight_decay"),
          .decay_all = params.Text("decay") == "all",
          .beta2 = params.Float("beta2"),
          .momentum = params.Float("momentum"),
          .clip_norm = params.Float("clip_norm"),
          .ema_decay = params.Float("ema_decay"),
          .schedule = {.kind = *schedule,
                       .peak = params.Float("lr"),
                       .warmup_epochs = params.Float("warmup_epochs"),
                       .final_fraction = params.Float("final_lr_fraction")}};
}

Status CheckSpec(const OptimizerSpec& spec) {
  for (const Bounds& bounds : {
           Bounds{.name = "weight_decay", .value = spec.weight_decay},
           Bounds{.name = "beta1", .value = spec.beta1, .high = 1},
           Bounds{.name = "beta2", .value = spec.beta2, .high = 1},
           Bounds{.name = "epsilon", .value = spec.epsilon, .above_low = true},
           Bounds{.name = "momentum", .value = spec.momentum, .high = 1},
           Bounds{.name = "clip_norm", .value = spec.clip_norm},
           Bounds{.name = "ema_decay", .value = spec.ema_decay, .high = 1},
           Bounds{.name = "schedule.peak", .value = spec.schedule.peak},
           Bounds{.name = "schedule.warmup_epochs", .value = spec.schedule.warmup_epochs},
           Bounds{.name = "schedule.final_fraction", .value = spec.schedule.final_fraction},
       }) {
    MUSTER_RETURN_IF_ERROR(CheckBounds(bounds));
  }
  if (spec.nesterov && spec.momentum == 0) {
    return Invalid("the optimizer's nesterov is true with momentum 0, wanted a momentum above 0");
  }
  return Ok();
}

Schedule MakeSchedule(const ScheduleSpec& spec, std::int64_t batches, std::int64_t epochs) {
  const std::int64_t steps = batches * epochs;
  return {.kind = spec.kind,
          .peak = spec.peak,
          .warmup_steps = std::llround(spec.warmup_epochs * static_cast<double>(batches)),
          .total_steps = steps,
          .final_fraction = spec.final_fraction,
          .step_every = std::max<std::int64_t>(1, steps / 3)};
}

}  // namespace muster::trainer
