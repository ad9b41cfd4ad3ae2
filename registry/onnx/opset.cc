#include "registry/onnx/opset.h"

#include <algorithm>

#include "registry/onnx/operators.h"

namespace muster::onnx {
namespace {

struct Need {
  std::int64_t opset = 13;
  std::string what;
};

Need NeedOf(const Graph& graph) {
  Need most;
  const auto ask = [&](const std::string& what, const Node& node) {
    if (const int since = SinceVersion(what); since > most.opset) {
      most = {since, "node '" + node.name + "' is " + what};
    }
  };
  for (const Node& node : graph.nodes) {
    if (!node.domain.empty()) continue;
    ask(node.op_type, node);
    for (const Attribute& attribute : node.attributes) {
      ask(node.op_type + "." + attribute.name, node);
    }
  }
  return most;
}

/// From 18 on these take their axes as an input, as ReduceSum has since 13.
bool HadAxesAttribute(const Node& node) {
  return node.domain.empty() && node.op_type.starts_with("Reduce") && node.op_type != "ReduceSum";
}

class AxesInputs {
 public:
  explicit AxesInputs(Graph& graph) : graph_(graph) {}

  void Rewrite(Node& node) {
    const auto axes = std::ranges::find(node.attributes, "axes", &Attribute::name);
    if (axes == node.attributes.end()) return;
    node.inputs.push_back(Constant(std::get<std::vector<std::int64_t>>(axes->value)));
    node.attributes.erase(axes);
  }

 private:
  std::string Constant(const std::vector<std::int64_t>& axes) {
    auto [entry, is_new] = names_.try_emplace(axes);
    if (!is_new) return entry->second;
    Tensor tensor{.name = "axes", .type = DataType::kInt64};
    for (int n = 2; Taken(tensor.name); ++n) tensor.name = "axes_" + std::to_string(n);
    tensor.dims = {static_cast<std::int64_t>(axes.size())};
    tensor.bytes = std::string(reinterpret_cast<const char*>(axes.data()), axes.size() * 8);
    entry->second = tensor.name;
    graph_.initializers.push_back(std::move(tensor));
    return entry->second;
  }

  [[nodiscard]] bool Taken(const std::string& name) const {
    const auto is_name = [&](const auto& value) { return value.name == name; };
    return std::ranges::any_of(graph_.initializers, is_name) ||
           std::ranges::any_of(graph_.inputs, is_name) ||
           std::ranges::any_of(graph_.nodes, [&](const Node& node) {
             return std::ranges::find(node.outputs, name) != node.outputs.end();
           });
  }

  Graph& graph_;
  std::map<std::vector<std::int64_t>, std::string> names_;
};

void RenameGridModes(Node& node) {
  for (Attribute& attribute : node.attributes) {
    if (attribute.name != "mode") continue;
    auto& mode = std::get<std::string>(attribute.value);
    if (mode == "bilinear") mode = "linear";
    if (mode == "bicubic") mode = "cubic";
  }
}

}  // namespace

Status SetOpset(Model& model, std::int64_t wanted) {
  const Need need = NeedOf(model.graph);
  if (wanted == 0) wanted = std::max(kOpset, need.opset);
  if (wanted < 13 || wanted > kOpsetMax) {
    return Unsupported("operator set " + std::to_string(wanted) + "; muster writes 13 to " +
                       std::to_string(kOpsetMax));
  }
  if (wanted < need.opset) {
    return Unsupported("operator set " + std::to_string(wanted) + " cannot hold the model: " +
                       need.what + ", which came with " + std::to_string(need.opset));
  }
  AxesInputs axes(model.graph);
  for (Node& node : model.graph.nodes) {
    if (wanted >= 18 && HadAxesAttribute(node)) axes.Rewrite(node);
    if (wanted >= 20 && node.domain.empty() && node.op_type == "GridSample") RenameGridModes(node);
  }
  model.opsets[""] = wanted;
  model.ir_version = wanted >= 19 ? 9 : kIrVersion;
  return Ok();
}

}  // namespace muster::onnx
