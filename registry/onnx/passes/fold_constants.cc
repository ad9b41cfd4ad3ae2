#include <algorithm>
#include <map>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/passes/evaluate.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"
#include "registry/onnx/shapes/infer.h"

namespace muster::onnx {
namespace {

/// Results up to this size are folded whatever they are made of.
constexpr std::int64_t kSmall = 1024;

class Folder {
 public:
  Folder(Graph& graph, const Inference& inference)
      : graph_(graph), inference_(inference), index_(graph) {}

  std::size_t Run() {
    std::vector<bool> folded(graph_.nodes.size());
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      auto tensor = Fold(graph_.nodes[i]);
      if (!tensor) continue;
      tensor->name = graph_.nodes[i].outputs[0];
      folded[i] = made_.emplace(tensor->name, std::move(*tensor)).second;
    }
    std::size_t position = 0;
    std::erase_if(graph_.nodes, [&](const Node&) { return folded[position++]; });
    // Where an initializer stands, nothing is said of a value.
    std::erase_if(graph_.value_info,
                  [&](const ValueInfo& info) { return made_.contains(info.name); });
    for (auto& [name, tensor] : made_) graph_.initializers.push_back(std::move(tensor));
    return made_.size();
  }

 private:
  [[nodiscard]] const Tensor* Constant(const std::string& value) const {
    const auto made = made_.find(value);
    const Tensor* tensor = made != made_.end() ? &made->second : index_.Initializer(value);
    return tensor != nullptr && IsWhole(*tensor) ? tensor : nullptr;
  }

  std::optional<Tensor> Fold(const Node& node) {
    // A graph output stays what a node makes: engines want none that is an initializer.
    if (!node.domain.empty() || node.outputs.size() != 1 || index_.IsOutput(node.outputs[0])) {
      return std::nullopt;
    }
    if (node.op_type == "Constant") return OfConstant(node);
    if (auto content = FromContent(node)) return content;
    std::vector<const Tensor*> inputs;
    std::int64_t limit = kSmall;
    bool used_elsewhere = false;
    for (const std::string& input : node.inputs) {
      const Tensor* constant = input.empty() ? nullptr : Constant(input);
      if (constant == nullptr && !input.empty()) return std::nullopt;
      inputs.push_back(constant);
      if (constant == nullptr || constant->elements() <= kSmall) continue;
      limit = std::max(limit, constant->elements());
      used_elsewhere = used_elsewhere || index_.Uses(input) > 1;
    }
    if (inputs.empty() || inputs[0] == nullptr || used_elsewhere) return std::nullopt;
    if (auto reshaped = Reshaped(node, *inputs[0])) return reshaped;
    if (limit > kSmall) return EvaluateMove(node, inputs, limit);
    return Evaluate(node, inputs, limit);
  }

  /// A Constant node's tensor; its other forms as a tensor.
  static std::optional<Tensor> OfConstant(const Node& node) {
    const auto count = [](std::size_t n) {
      return std::vector<std::int64_t>{static_cast<std::int64_t>(n)};
    };
    if (const auto* tensor = FindValue<Tensor>(node, "value")) return *tensor;
    if (const auto* number = FindValue<std::int64_t>(node, "value_int")) {
      return IntTensor("", DataType::kInt64, {}, {*number});
    }
    if (const auto* ints = FindValue<std::vector<std::int64_t>>(node, "value_ints")) {
      return IntTensor("", DataType::kInt64, count(ints->size()), *ints);
    }
    if (const auto* number = FindValue<float>(node, "value_float")) {
      return FloatTensor("", {}, {*number});
    }
    if (const auto* floats = FindValue<std::vector<float>>(node, "value_floats")) {
      return FloatTensor("", count(floats->size()), *floats);
    }
    return std::nullopt;
  }

  /// What shape inference knows of the output, whatever its inputs are: Shape of x, or arithmetic on it.
  [[nodiscard]] std::optional<Tensor> FromContent(const Node& node) const {
    const auto found = inference_.values.find(node.outputs[0]);
    if (found == inference_.values.end()) return std::nullopt;
    const Inferred& value = found->second;
    if (!value.content || !value.shape || value.shape->size() > 1 ||
        (value.type != DataType::kInt64 && value.type != DataType::kInt32)) {
      return std::nullopt;
    }
    std::vector<std::int64_t> numbers;
    for (const Number& number : *value.content) {
      const auto constant = ConstantOf(number);
      if (!constant) return std::nullopt;
      numbers.push_back(*constant);
    }
    std::vector<std::int64_t> dims;
    if (!value.shape->empty()) dims.push_back(static_cast<std::int64_t>(numbers.size()));
    if (value.shape->empty() && numbers.size() != 1) return std::nullopt;
    return IntTensor("", value.type, std::move(dims), numbers);
  }

  /// A constant under another shape; a shared one is left alone, for it would be stored twice.
  [[nodiscard]] std::optional<Tensor> Reshaped(const Node& node, const Tensor& source) const {
    static constexpr std::string_view kReshaping[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze",
                                                      "Identity"};
    if (std::ranges::find(kReshaping, node.op_type) == std::end(kReshaping)) return std::nullopt;
    const ValueInfo info = inference_.Info(node.outputs[0]);
    Tensor out{.name = "", .type = source.type, .dims = {}, .bytes = {}};
    for (const Dim& dim : info.shape) out.dims.push_back(dim.size);
    if (!info.has_shape || out.elements() != source.elements()) return std::nullopt;
    out.bytes = source.bytes;
    return out;
  }

  Graph& graph_;
  const Inference& inference_;
  const GraphIndex index_;
  std::map<std::string, Tensor> made_;
};

}  // namespace

Passed FoldConstants(Model model) {
  const Inference inference = InferShapes(model);
  const std::size_t changes = Folder(model.graph, inference).Run();
  return {std::move(model), changes};
}

}  // namespace muster::onnx
