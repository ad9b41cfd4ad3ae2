#include "registry/onnx/passes/passes.h"

namespace muster::onnx {

Passed Simplify(Model model) {
  constexpr int kMaxRounds = 16;
  std::size_t total = 0;
  for (int round = 0; round < kMaxRounds; ++round) {
    std::size_t changes = 0;
    for (const auto& pass : {RemoveUnused, RemoveIdentities, MergeTransposes, MergeReshapes,
                             FoldConstants, FoldBatchNorm, MergeCommon, RemoveUnused}) {
      Passed passed = pass(std::move(model));
      model = std::move(passed.model);
      changes += passed.changes;
    }
    total += changes;
    if (changes == 0) break;
  }
  return {std::move(model), total};
}

}  // namespace muster::onnx
