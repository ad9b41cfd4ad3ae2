#include "registry/onnx/attributes.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"

namespace muster::onnx {
namespace {

/// The order that `second` makes of what `first` makes; empty where the two do not fit.
std::vector<std::int64_t> Composed(const std::vector<std::int64_t>& first,
                                   const std::vector<std::int64_t>& second) {
  std::vector<std::int64_t> perm;
  for (const std::int64_t axis : second) {
    if (axis < 0 || axis >= static_cast<std::int64_t>(first.size())) return {};
    perm.push_back(first[static_cast<std::size_t>(axis)]);
  }
  return perm.size() == first.size() ? perm : std::vector<std::int64_t>();
}

bool IsTranspose(const Node* node) {
  return node != nullptr && node->op_type == "Transpose" && node->domain.empty() &&
         node->inputs.size() == 1 && FindValue<std::vector<std::int64_t>>(*node, "perm") != nullptr;
}

}  // namespace

Passed MergeTransposes(Model model) {
  const GraphIndex index(model.graph);
  std::size_t changes = 0;
  // In order, so that of three in a row the third meets what became of the second.
  for (Node& node : model.graph.nodes) {
    if (!IsTranspose(&node)) continue;
    const Node* first = index.Maker(node.inputs[0]);
    if (!IsTranspose(first) || first == &node) continue;
    std::vector<std::int64_t> perm = Composed(IntsOr(*first, "perm", {}), IntsOr(node, "perm", {}));
    if (perm.empty()) continue;
    const std::string source = first->inputs[0];
    node.inputs = {source};
    node.attributes = {{"perm", std::move(perm)}};
    ++changes;
  }
  return {std::move(model), changes};
}

}  // namespace muster::onnx
