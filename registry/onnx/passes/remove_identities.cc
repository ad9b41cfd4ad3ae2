#include <algorithm>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"
#include "registry/onnx/shapes/infer.h"

namespace muster::onnx {
namespace {

bool AllKnown(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Number& dim) { return dim.has_value(); });
}

class Judge {
 public:
  Judge(const Inference& inference, const GraphIndex& index)
      : inference_(inference), index_(index) {}

  /// True when output 0 of `node` is its input 0.
  [[nodiscard]] bool ChangesNothing(const Node& node) const {
    if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) return false;
    if (node.op_type == "Identity") return true;
    if (node.op_type == "Concat") return node.inputs.size() == 1;
    if (node.op_type == "Dropout") return IsOffDropout(node);
    if (node.op_type == "Cast") return IsSameCast(node);
    if (node.op_type == "Transpose") return KeepsOrder(node);
    if (node.op_type == "Pad") return PadsNothing(node);
    static constexpr std::string_view kReshaping[] = {"Reshape", "Flatten", "Expand", "Squeeze",
                                                      "Unsqueeze"};
    return std::ranges::find(kReshaping, node.op_type) != std::end(kReshaping) &&
           HasSameShape(node);
  }

 private:
  [[nodiscard]] const Inferred* Of(const std::string& value) const {
    const auto found = inference_.values.find(value);
    return found == inference_.values.end() ? nullptr : &found->second;
  }

  [[nodiscard]] bool HasSameShape(const Node& node) const {
    const Inferred* in = Of(node.inputs[0]);
    const Inferred* out = Of(node.outputs[0]);
    return in != nullptr && out != nullptr && in->shape && out->shape && in->shape == out->shape &&
           AllKnown(*in->shape);
  }

  [[nodiscard]] bool IsOffDropout(const Node& node) const {
    if (node.outputs.size() > 1 && index_.Uses(node.outputs[1]) > 0) return false;
    if (node.inputs.size() < 3 || node.inputs[2].empty()) return true;
    const Tensor* training = index_.Initializer(node.inputs[2]);
    return training != nullptr && training->bytes == std::string(1, '\0');
  }

  [[nodiscard]] bool IsSameCast(const Node& node) const {
    const Inferred* in = Of(node.inputs[0]);
    return in != nullptr && in->type != DataType::kUndefined &&
           static_cast<std::int64_t>(in->type) == IntOr(node, "to", 0);
  }

  [[nodiscard]] static bool KeepsOrder(const Node& node) {
    const std::vector<std::int64_t> perm = IntsOr(node, "perm", {});
    for (std::size_t d = 0; d < perm.size(); ++d) {
      if (perm[d] != static_cast<std::int64_t>(d)) return false;
    }
    return !perm.empty();
  }

  [[nodiscard]] bool PadsNothing(const Node& node) const {
    const Tensor* pads = node.inputs.size() > 1 ? index_.Initializer(node.inputs[1]) : nullptr;
    const auto ints = pads == nullptr ? std::nullopt : IntsOf(*pads);
    return ints && std::all_of(ints->begin(), ints->end(), [](std::int64_t p) { return p == 0; });
  }

  const Inference& inference_;
  const GraphIndex& index_;
};

}  // namespace

Passed RemoveIdentities(Model model) {
  const Inference inference = InferShapes(model);
  Replacer replacer(model.graph);
  const Judge judge(inference, replacer.index());
  for (std::size_t i = 0; i < model.graph.nodes.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    if (judge.ChangesNothing(node)) replacer.Replace(i, node.inputs[0]);
  }
  const std::size_t changes = replacer.Finish();
  return {std::move(model), changes};
}

}  // namespace muster::onnx
