#include "registry/onnx/compress/rewriter.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace muster::onnx::compress {

Rewriter::Rewriter(const Model& model) : model_(model) {
  const Graph& graph = model.graph;
  for (const Tensor& tensor : graph.initializers) {
    constants_[tensor.name] = &tensor;
    names_.insert(tensor.name);
  }
  for (const ValueInfo& input : graph.inputs) names_.insert(input.name);
  for (const Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) ++uses_[input];
    for (const std::string& output : node.outputs) makers_[output] = &node;
    names_.insert(node.outputs.begin(), node.outputs.end());
    names_.insert(node.name);
  }
  for (const ValueInfo& output : graph.outputs) {
    ++uses_[output.name];
    outputs_.insert(output.name);
  }
  nodes_.reserve(graph.nodes.size() * 2);
}

const Tensor* Rewriter::Constant(const std::string& name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : found->second;
}

const Node* Rewriter::Maker(const std::string& name) const {
  const auto found = makers_.find(name);
  return found == makers_.end() ? nullptr : found->second;
}

bool Rewriter::NeverNegative(const std::string& name) const {
  static constexpr std::string_view kSources[] = {"Abs",  "Exp",     "HardSigmoid", "Relu",
                                                  "Sqrt", "Sigmoid", "Softmax",     "Softplus"};
  static constexpr std::string_view kKeepSigns[] = {
      "AveragePool", "Dropout", "Flatten", "GlobalAveragePool", "GlobalMaxPool", "Identity",
      "MaxPool",     "Reshape", "Slice",   "Squeeze",           "Transpose",     "Unsqueeze"};
  const Node* node = Maker(name);
  for (int i = 0; i < kLongestWalk && node != nullptr; ++i, node = Maker(node->inputs[0])) {
    if (!node->domain.empty() || node->inputs.empty()) return false;
    if (std::ranges::find(kSources, node->op_type) != std::end(kSources)) return true;
    if (std::ranges::find(kKeepSigns, node->op_type) == std::end(kKeepSigns)) return false;
  }
  return false;
}

std::int64_t Rewriter::opset() const {
  const auto own = model_.opsets.find("");
  return own == model_.opsets.end() ? 0 : own->second;
}

int Rewriter::Uses(const std::string& name) const {
  const auto found = uses_.find(name);
  return found == uses_.end() ? 0 : found->second;
}

std::string Rewriter::Fresh(const std::string& stem) {
  std::string name = stem;
  for (int i = 2; !names_.insert(name).second; ++i) name = stem + "." + std::to_string(i);
  return name;
}

std::string Rewriter::AddConstant(const std::string& stem, Tensor tensor) {
  tensor.name = Fresh(stem);
  return added_.emplace_back(std::move(tensor)).name;
}

std::string Rewriter::Add(std::string op, std::vector<std::string> inputs,
                          const std::string& output_stem, std::vector<Attribute> attributes) {
  const std::string output = Fresh(output_stem);
  Append({output, std::move(op), "", std::move(inputs), {output}, std::move(attributes)});
  return output;
}

Model Rewriter::Finish() {
  std::unordered_set<std::string> used = outputs_;
  for (const Node& node : nodes_) used.insert(node.inputs.begin(), node.inputs.end());
  Model model = {model_.ir_version,
                 model_.opsets,
                 model_.producer_name,
                 model_.producer_version,
                 model_.doc,
                 model_.metadata,
                 {}};
  const Graph& graph = model_.graph;
  model.graph = {graph.name, std::move(nodes_), {}, graph.inputs, graph.outputs, {}};
  std::unordered_set<std::string> made;
  for (const Node& node : model.graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  for (const ValueInfo& value : graph.value_info) {
    if (made.contains(value.name)) model.graph.value_info.push_back(value);
  }
  for (const Tensor& tensor : graph.initializers) {
    if (used.contains(tensor.name)) model.graph.initializers.push_back(tensor);
  }
  for (Tensor& tensor : added_) {
    if (used.contains(tensor.name)) model.graph.initializers.push_back(std::move(tensor));
  }
  return model;
}

}  // namespace muster::onnx::compress
