#include "registry/onnx/picture/drawing.h"

#include <algorithm>
#include <set>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/picture/cost.h"

namespace muster::onnx {
namespace {

constexpr std::size_t kMaxLine = 44, kMaxLines = 5;

std::string DimsText(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text.empty() ? "scalar" : text;
}

std::string ShapeLabel(const ValueInfo& info) {
  if (info.type == DataType::kUndefined && !info.has_shape) return "";
  std::string text;
  for (const Dim& dim : info.shape) {
    const std::string symbol = dim.symbol.empty() ? "?" : dim.symbol;
    text += (text.empty() ? "" : " x ") + (dim.size >= 0 ? std::to_string(dim.size) : symbol);
  }
  if (!info.has_shape) text = "...";
  if (text.empty()) text = "scalar";
  if (info.type != DataType::kFloat) text = std::string(DataTypeName(info.type)) + " " + text;
  return Printable(text, kMaxLine);
}

/// "layer1.0.conv1" of "layer1.0.conv1/Conv", cut to so many parts; empty outside of modules.
std::string ModuleOf(const Node& node, int depth) {
  const std::size_t slash = node.name.rfind('/');
  if (slash == std::string::npos) return "";
  std::size_t end = 0;
  for (int part = 0; part < depth && end < slash; ++part) {
    end = std::min(node.name.find_first_of("./", end == 0 ? 0 : end + 1), slash);
  }
  return node.name.substr(0, end);
}

/// What a person wants to see of a constant: short lists by value, others by name and shape.
std::string ConstantText(const Tensor& tensor) {
  const auto ints = tensor.elements() <= 8 ? IntsOf(tensor) : std::nullopt;
  const auto floats = tensor.elements() == 1 ? FloatsOf(tensor) : std::nullopt;
  if (floats) {
    char text[32];
    std::snprintf(text, sizeof(text), "%g", static_cast<double>(floats->front()));
    return text;
  }
  if (ints) {
    std::string list;
    for (const std::int64_t value : *ints)
      list += (list.empty() ? "" : ", ") + std::to_string(value);
    return "[" + list + "]";
  }
  const std::size_t dot = tensor.name.rfind('.');
  const std::string name = dot == std::string::npos ? tensor.name : tensor.name.substr(dot + 1);
  return Printable(name, 20) + " " + DimsText(tensor.dims);
}

std::string AttributesText(const Node& node) {
  static constexpr std::pair<std::string_view, std::string_view> kShown[] = {
      {"kernel_shape", "kernel"}, {"strides", "stride"}, {"dilations", "dilation"},
      {"group", "groups"},        {"perm", "order"},     {"axis", "axis"}};
  std::string text;
  for (const auto& [name, shown] : kShown) {
    std::string value;
    if (const auto* ints = FindValue<std::vector<std::int64_t>>(node, name)) {
      const bool plain = name != "kernel_shape" && name != "perm" &&
                         std::ranges::all_of(*ints, [](std::int64_t v) { return v == 1; });
      if (!plain && ints->size() <= 8) value = DimsText(*ints);
    } else if (const auto* number = FindValue<std::int64_t>(node, name)) {
      if (name != "group" || *number != 1) value = std::to_string(*number);
    }
    if (!value.empty()) text += (text.empty() ? "" : ", ") + std::string(shown) + " " + value;
  }
  return text;
}

class Drawer {
 public:
  Drawer(const Model& model, int depth)
      : graph_(model.graph),
        depth_(depth),
        inference_(InferShapes(model)),
        costs_(Costs(model, inference_)) {
    for (const Tensor& tensor : graph_.initializers) constants_[tensor.name] = &tensor;
  }

  Drawing Run() {
    for (const ValueInfo& input : graph_.inputs) {
      maker_[input.name] = out_.boxes.size();
      out_.boxes.push_back({Box::Kind::kInput, Printable(input.name, kMaxLine), "", {}});
    }
    for (std::size_t begin = 0; begin < graph_.nodes.size();) begin = AddRun(begin);
    for (const ValueInfo& output : graph_.outputs) {
      Connect(output.name, out_.boxes.size());
      out_.boxes.push_back({Box::Kind::kOutput, Printable(output.name, kMaxLine), "", {}});
    }
    Cost total;
    for (const Cost& cost : costs_) total += cost;
    out_.caption = Printable(graph_.name, kMaxLine) + ": " + Scaled(total.parameters) +
                   " parameters, " + (total.complete ? "" : "over ") + Scaled(total.flops) +
                   " FLOPs a row, " + std::to_string(graph_.nodes.size()) + " nodes";
    return std::move(out_);
  }

 private:
  /// One box for the nodes [begin, answer): they follow each other, so no path leaves the box and comes back.
  std::size_t AddRun(std::size_t begin) {
    const std::string module = depth_ > 0 ? ModuleOf(graph_.nodes[begin], depth_) : "";
    std::size_t end = begin + 1;
    while (!module.empty() && end < graph_.nodes.size() &&
           ModuleOf(graph_.nodes[end], depth_) == module)
      ++end;
    const std::size_t box = out_.boxes.size();
    std::set<std::string_view> inside;
    for (std::size_t i = begin; i < end; ++i) {
      for (const std::string& input : graph_.nodes[i].inputs) {
        if (!inside.contains(input)) Connect(input, box);
      }
      inside.insert(graph_.nodes[i].outputs.begin(), graph_.nodes[i].outputs.end());
    }
    for (std::size_t i = begin; i < end; ++i) {
      for (const std::string& output : graph_.nodes[i].outputs) maker_.try_emplace(output, box);
    }
    out_.boxes.push_back(end - begin > 1 ? ModuleBox(module, begin, end) : NodeBox(begin));
    return end;
  }

  void Connect(const std::string& value, std::size_t box) {
    const auto made = maker_.find(value);
    if (value.empty() || made == maker_.end()) return;
    if (!drawn_.insert({value, box}).second) return;
    out_.arrows.push_back({made->second, box});
    out_.labels.push_back(labelled_.insert(value).second ? ShapeLabel(inference_.Info(value)) : "");
  }

  Box NodeBox(std::size_t position) {
    const Node& node = graph_.nodes[position];
    Box box{Box::Kind::kNode, Printable(node.op_type, kMaxLine), node.op_type, {}};
    const std::size_t slash = node.name.rfind('/');
    if (slash != std::string::npos)
      box.lines.push_back(Printable(node.name.substr(0, slash), kMaxLine));
    if (const std::string text = AttributesText(node); !text.empty()) box.lines.push_back(text);
    for (std::size_t i = 0; i < node.inputs.size() && box.lines.size() < kMaxLines; ++i) {
      const auto constant = constants_.find(node.inputs[i]);
      if (constant != constants_.end()) box.lines.push_back(ConstantText(*constant->second));
    }
    return box;
  }

  Box ModuleBox(const std::string& module, std::size_t begin, std::size_t end) {
    Box box{Box::Kind::kModule, Printable(module, kMaxLine), "", {}};
    Cost cost;
    for (std::size_t i = begin; i < end; ++i) cost += costs_[i];
    box.lines.push_back(std::to_string(end - begin) + " nodes");
    if (cost.parameters > 0) box.lines.push_back(Scaled(cost.parameters) + " parameters");
    if (cost.flops > 0) box.lines.push_back(Scaled(cost.flops) + " FLOPs");
    return box;
  }

  const Graph& graph_;
  const int depth_;
  const Inference inference_;
  const std::vector<Cost> costs_;
  std::unordered_map<std::string_view, const Tensor*> constants_;
  std::unordered_map<std::string, std::size_t> maker_;  ///< the box that makes a value
  std::set<std::pair<std::string, std::size_t>> drawn_;
  std::set<std::string> labelled_;
  Drawing out_;
};

}  // namespace

Drawing Draw(const Model& model, int depth) { return Drawer(model, depth).Run(); }

}  // namespace muster::onnx
