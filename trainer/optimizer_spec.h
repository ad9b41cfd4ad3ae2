#pragma once

#include <cstdint>

#include "runtime/base/result.h"
#include "trainer/params.h"
#include "trainer/schedule.h"

/// How gradients change weights, as a trial asks for it. Pure.

namespace muster::trainer {

/// A schedule in epochs; how many steps those are is known when the data are.
struct ScheduleSpec {
  ScheduleKind kind = ScheduleKind::kCosine;
  double peak = 0.003;         ///< learning rate
  double warmup_epochs = 0.5;  ///< any number from 0, also of parts of an epoch
  double final_fraction = 0;   ///< of the peak, where cosine and linear end
};

struct OptimizerSpec {
  enum class Kind { kAdamW, kSgd };
  Kind kind = Kind::kAdamW;
  double weight_decay = 0.01;  ///< decoupled with AdamW, L2 with SGD
  bool decay_all = true;  ///< false: only tensors of two or more dimensions decay, so no biases
                          ///< and no scales of norms, as is usual for transformers
  double beta1 = 0.9;     ///< of AdamW: how long the mean of gradients remembers
  double beta2 = 0.999;   ///< of AdamW: how long the mean of squared gradients remembers
  double epsilon = 1e-8;  ///< of AdamW
  double momentum = 0.9;  ///< of SGD
  bool nesterov = false;  ///< of SGD, with momentum
  double clip_norm = 0;   ///< gradients' largest global norm; 0: any
  double ema_decay = 0;   ///< of averaged weights, which are then validated; 0: none
  ScheduleSpec schedule;
};

/// What the loop's own parameters say (LoopParams); the rest as above.
OptimizerSpec SpecFromParams(const Params& params);

/// kInvalid names the first member that is out of bounds or not a number, with what was seen and wanted.
Status CheckSpec(const OptimizerSpec& spec);

/// The schedule over `epochs` (1 or more) of `batches` (1 or more) steps. Step decay drops to a tenth after
/// each third of them.
Schedule MakeSchedule(const ScheduleSpec& spec, std::int64_t batches, std::int64_t epochs);

}  // namespace muster::trainer
