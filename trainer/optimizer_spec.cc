#include "trainer/optimizer_spec.h"

namespace muster::trainer {

OptimizerSpec SpecFromParams(const Params& params) {
  using Kind = OptimizerSpec::Kind;
  return {.kind = params.Text("optimizer") == "sgd" ? Kind::kSgd : Kind::kAdamW,
          .momentum = params.Float("momentum"),
          .weight_decay = params.Float("weight_decay")};
}

}  // namespace muster::trainer
