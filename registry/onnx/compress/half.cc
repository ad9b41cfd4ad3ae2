#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "registry/onnx/compress/element_types.h"
#include "registry/onnx/compress/half_float.h"
#include "registry/onnx/compress/layers.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

/// Computed in float16: exact moves of data, and arithmetic whose result is about as large as what goes in.
/// Everything else stays in f32: what adds up many numbers outside of a fused kernel, overflows early (Exp beyond
/// 11), or has no float16 form in ONNX or in engines.
constexpr std::string_view kHalfOperators[] = {"Abs",
                                               "Add",
                                               "AveragePool",
                                               "Clip",
                                               "Concat",
                                               "Constant",
                                               "Conv",
                                               "ConvTranspose",
                                               "DepthToSpace",
                                               "Div",
                                               "Dropout",
                                               "Elu",
                                               "Erf",
                                               "Expand",
                                               "Flatten",
                                               "Gather",
                                               "GatherElements",
                                               "GatherND",
                                               "Gemm",
                                               "HardSigmoid",
                                               "HardSwish",
                                               "Identity",
                                               "LeakyRelu",
                                               "MatMul",
                                               "Max",
                                               "MaxPool",
                                               "Min",
                                               "Mul",
                                               "Neg",
                                               "PRelu",
                                               "Pad",
                                               "Relu",
                                               "Reshape",
                                               "Selu",
                                               "Sigmoid",
                                               "Sign",
                                               "Slice",
                                               "Softsign",
                                               "SpaceToDepth",
                                               "Split",
                                               "Squeeze",
                                               "Sub",
                                               "Sum",
                                               "Tanh",
                                               "Tile",
                                               "Transpose",
                                               "Trilu",
                                               "Unsqueeze",
                                               "Where",
                                               "Softplus",
                                               "GlobalMaxPool",
                                               "ThresholdedRelu",
                                               "Ceil",
                                               "Floor",
                                               "Round"};

bool FitsHalf(const Tensor& tensor) {
  const auto values = FloatsOf(tensor);
  return values && std::ranges::all_of(*values, [](float value) {
           // What rounds to 65504 fits; infinities (masks) stay what they are.
           return !std::isfinite(value) || std::abs(value) < kMostHalf + 16;
         });
}

Tensor HalfTensor(const Tensor& tensor) {
  Tensor half{"", DataType::kFloat16, tensor.dims, {}};
  const std::vector<float> values = *FloatsOf(tensor);
  half.bytes.reserve(values.size() * 2);
  for (const float value : values) {
    const std::uint16_t bits = HalfBits(value);
    half.bytes.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return half;
}

class Halver {
 public:
  Halver(const Model& model, Rewriter& out) : model_(model), out_(out) {
    types_ = ElementTypes(model.graph);
    for (const ValueInfo& input : model.graph.inputs) float_.insert(input.name);
    for (const Tensor& tensor : model.graph.initializers) float_.insert(tensor.name);
  }

  Compressed Run() && {
    std::vector<LayerReport> reports;
    for (std::size_t i = 0; i < model_.graph.nodes.size(); ++i) {
      const Node& node = model_.graph.nodes[i];
      LayerReport report{node.name.empty() ? node.op_type + " #" + std::to_string(i) : node.name,
                         "", "", 0};
      for (const std::string& input : node.inputs) {
        const Tensor* weight = out_.Constant(input);
        if (weight != nullptr && weight->type == DataType::kFloat) report.weight = input;
      }
      report.left = Obstacle(node);
      const bool half = report.left.empty();
      half ? AppendHalf(node) : AppendFloat(node);
      if (!report.weight.empty()) reports.push_back(std::move(report));
    }
    return {out_.Finish(), std::move(reports)};
  }

 private:
  [[nodiscard]] bool IsFloat(const std::string& value) const {
    const auto found = types_.find(value);
    return found != types_.end() && found->second == DataType::kFloat;
  }

  /// Why a node stays as it is; empty: it computes in float16.
  std::string Obstacle(const Node& node) const {
    if (!node.domain.empty() ||
        std::ranges::find(kHalfOperators, node.op_type) == std::end(kHalfOperators)) {
      return node.op_type + " is computed in f32";
    }
    if (std::ranges::none_of(node.outputs, [&](const auto& name) { return IsFloat(name); })) {
      return "it makes no floats";
    }
    for (const Attribute& attribute : node.attributes) {
      const auto* tensor = std::get_if<Tensor>(&attribute.value);
      if (node.op_type == "Constant" && (tensor == nullptr || !FitsHalf(*tensor))) {
        return "its value has no float16 form";
      }
    }
    for (const std::string& input : node.inputs) {
      const Tensor* constant = out_.Constant(input);
      if (constant != nullptr && constant->type == DataType::kFloat && !FitsHalf(*constant)) {
        return "'" + input + "' holds numbers beyond 65504";
      }
    }
    return "";
  }

  void AppendHalf(Node node) {
    for (std::string& input : node.inputs) {
      if (IsFloat(input)) input = AsHalf(input);
    }
    for (Attribute& attribute : node.attributes) {
      if (auto* tensor = std::get_if<Tensor>(&attribute.value)) *tensor = HalfTensor(*tensor);
    }
    std::vector<std::pair<std::string, std::string>> ends;  // float16 name -> f32 name
    for (std::string& output : node.outputs) {
      if (output.empty() || !IsFloat(output)) continue;
      const std::string half = out_.Fresh(output + ".float16");
      half_[output] = half;
      if (out_.IsOutput(output)) ends.emplace_back(half, output);
      output = half;
    }
    out_.Append(std::move(node));
    for (const auto& [half, output] : ends) {
      Cast(half, output, DataType::kFloat);
      float_.insert(output);
    }
  }

  void AppendFloat(const Node& node) {
    for (const std::string& input : node.inputs) {
      const auto half = half_.find(input);
      // Made in float16: its f32 form comes into being with its first use, under its own name.
      if (half != half_.end() && float_.insert(input).second) {
        Cast(half->second, input, DataType::kFloat);
      }
    }
    float_.insert(node.outputs.begin(), node.outputs.end());
    out_.Append(node);
  }

  const std::string& AsHalf(const std::string& value) {
    std::string& name = half_[value];
    if (!name.empty()) return name;
    if (const Tensor* constant = out_.Constant(value)) {
      return name = out_.AddConstant(value + ".float16", HalfTensor(*constant));
    }
    name = out_.Fresh(value + ".float16");
    Cast(value, name, DataType::kFloat16);
    return name;
  }

  void Cast(const std::string& from, const std::string& to, DataType type) {
    out_.Append({out_.Fresh(to + ".cast"),
                 "Cast",
                 "",
                 {from},
                 {to},
                 {{"to", static_cast<std::int64_t>(type)}}});
  }

  const Model& model_;
  Rewriter& out_;
  std::unordered_map<std::string, DataType> types_;
  std::unordered_map<std::string, std::string> half_;  ///< value -> its float16 form
  std::unordered_set<std::string> float_;  ///< values that have an f32 form, under their own name
};

}  // namespace

Result<Compressed> ToHalf(const Model& model, const Options& options) {
  Rewriter out(model);
  MUSTER_RETURN_IF_ERROR(FindLayers(model, out, options, {}));
  return Halver(model, out).Run();
}

}  // namespace muster::onnx::compress
