#include <algorithm>

#include "registry/onnx/attributes.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"
#include "registry/onnx/shapes/infer.h"

namespace muster::onnx {
namespace {

bool Reshapes(const Node* node) {
  static constexpr std::string_view kReshaping[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
  return node != nullptr && node->domain.empty() && !node->inputs.empty() &&
         std::ranges::find(kReshaping, node->op_type) != std::end(kReshaping);
}

/// A 0 copies a dimension of the input, which will be another one.
bool CopiesNothing(const Node& node, const Inference& inference) {
  if (IntOr(node, "allowzero", 0) != 0) return true;
  const auto target = inference.values.find(node.inputs[1]);
  return target != inference.values.end() && target->second.content &&
         std::all_of(target->second.content->begin(), target->second.content->end(),
                     [](const Number& n) { return n && !Is(n, 0); });
}

}  // namespace

Passed MergeReshapes(Model model) {
  const Inference inference = InferShapes(model);
  const GraphIndex index(model.graph);
  std::size_t changes = 0;
  for (Node& node : model.graph.nodes) {
    if (node.op_type != "Reshape" || node.inputs.size() != 2 || !Reshapes(&node)) continue;
    const Node* first = index.Maker(node.inputs[0]);
    if (!Reshapes(first) || first == &node || !CopiesNothing(node, inference)) continue;
    node.inputs[0] = std::string(first->inputs[0]);
    ++changes;
  }
  return {std::move(model), changes};
}

}  // namespace muster::onnx
