#pragma once

#include <cstdint>

#include "trainer/params.h"

/// How gradients change weights, as a trial asks for it. Pure.

namespace muster::trainer {

struct OptimizerSpec {
  enum class Kind { kAdamW, kSgd };
  Kind kind = Kind::kAdamW;
  double momentum = 0.9;       ///< of SGD
  double weight_decay = 0.01;  ///< decoupled with AdamW, L2 with SGD
};

/// What the loop's own parameters say (LoopParams).
OptimizerSpec SpecFromParams(const Params& params);

}  // namespace muster::trainer
