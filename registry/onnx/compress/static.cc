#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <set>

#include "registry/onnx/attributes.h"
#include "registry/onnx/compress/layers.h"
#include "registry/onnx/compress/weights.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

constexpr float kActivationLevels = 255;
/// Half of int32's range: engines add up products to the bias.
constexpr float kMostBias = 1 << 30;

/// Whether a Gemm computes x W + b and nothing more; why not, else.
std::string GemmObstacle(const Node& node) {
  if (IntOr(node, "transA", 0) != 0) return "its input is transposed";
  if (FloatOr(node, "alpha", 1) != 1) return "its product is scaled";
  if (Has(node, 2) && FloatOr(node, "beta", 1) != 1) return "its bias is scaled";
  return "";
}

Result<Layers> StaticLayers(const Model& model, const Rewriter& rewriter, const Options& options) {
  MUSTER_ASSIGN_OR_RETURN(Layers layers,
                          FindLayers(model, rewriter, options, {"MatMul", "Gemm", "Conv"}));
  for (Layer& layer : layers.of_node) {
    if (layer.weight == nullptr || layer.node->op_type != "Gemm") continue;
    if (std::string why = GemmObstacle(*layer.node); !why.empty()) {
      layers.Leave(layer, std::move(why));
      layer.weight = nullptr;
    }
  }
  return layers;
}

/// Where the answer of a Conv is quantised: behind the Relu that alone takes it, else at once. Empty for a graph
/// output, which stays as it is.
std::string QuantizedOutput(const Model& model, const Rewriter& rewriter, const Node& conv) {
  std::string y = conv.outputs[0];
  if (rewriter.Uses(y) == 1 && !rewriter.IsOutput(y)) {
    const auto next = std::ranges::find_if(model.graph.nodes, [&](const Node& node) {
      return std::ranges::find(node.inputs, y) != node.inputs.end();
    });
    if (next->op_type == "Relu" && next->domain.empty()) y = next->outputs[0];
  }
  return rewriter.IsOutput(y) ? "" : y;
}

/// Whether a factor that is negative in some channels is all that lies between `value` and what computes it.
/// OpenVINO 2026.4's CPU engine fuses such a Mul, Div or LayerNormalization into the QuantizeLinear behind it and
/// then is wrong in those channels.
bool ScaledByNegatives(const Rewriter& model, std::string value) {
  static constexpr std::string_view kFusedToo[] = {
      "Add", "Clip",    "Div",     "Dropout", "Flatten",   "Identity", "Mul",
      "Neg", "Reshape", "Squeeze", "Sub",     "Transpose", "Unsqueeze"};
  for (int i = 0; i < kLongestWalk; ++i) {
    const Node* node = model.Maker(value);
    if (node == nullptr) return false;
    const bool norm = node->op_type.ends_with("Normalization");
    if (norm || node->op_type == "Mul" || node->op_type == "Div") {
      for (const std::string& input : node->inputs) {
        const Tensor* factor = model.Constant(input);
        const auto values = factor == nullptr ? std::nullopt : FloatsOf(*factor);
        if (values && std::ranges::any_of(*values, [](float x) { return x < 0; })) return true;
        if (values && norm) break;  // the others are no factors
      }
    }
    if (std::ranges::find(kFusedToo, node->op_type) == std::end(kFusedToo)) return false;
    const auto computed = std::ranges::find_if(
        node->inputs, [&](const std::string& input) { return model.Constant(input) == nullptr; });
    if (computed == node->inputs.end()) return false;
    value = *computed;
  }
  return true;  // or so it may be
}

class StaticQuantizer {
 public:
  StaticQuantizer(const std::map<std::string, Range>& ranges, Rewriter& out, Layers& layers)
      : ranges_(ranges), out_(out), layers_(layers) {}

  /// The nodes behind that take `value` are to see it quantised, all of them.
  void QuantizeForAll(const std::string& value) { for_all_.insert(value); }

  Status Rewrite(const Layer& layer) {
    Node node = *layer.node;
    for (std::string& input : node.inputs) {
      if (for_all_.contains(input)) input = Quantized(input);
    }
    if (layer.weight == nullptr) {
      out_.Append(std::move(node));
      return Ok();
    }
    const std::string& x = layer.node->inputs[0];
    const auto range = ranges_.find(x);
    if (range == ranges_.end()) {
      layers_.Leave(layer, "'" + x + "' has no calibrated range");
      out_.Append(std::move(node));
      return Ok();
    }
    node.inputs[0] = Quantized(x);
    MUSTER_RETURN_IF_ERROR(QuantizeConstants(layer, ScaleOf(range->second), node));
    out_.Append(std::move(node));
    return Ok();
  }

 private:
  static float ScaleOf(const Range& range) {
    const float scale = (range.high - range.low) / kActivationLevels;
    return scale > 0 ? scale : 1;
  }

  static std::uint8_t ZeroPointOf(const Range& range) {
    const float level = std::nearbyint(-range.low / ScaleOf(range));
    return static_cast<std::uint8_t>(std::clamp(level, 0.0F, kActivationLevels));
  }

  /// The value behind QuantizeLinear and DequantizeLinear; the value itself when it has no range.
  std::string Quantized(const std::string& value) {
    const auto range = ranges_.find(value);
    if (range == ranges_.end()) return value;
    std::string& name = quantized_[value];
    if (!name.empty()) return name;
    const std::string scale =
        out_.AddConstant(value + ".scale", FloatTensor("", {}, {ScaleOf(range->second)}));
    const auto level = static_cast<char>(ZeroPointOf(range->second));
    const std::string zero =
        out_.AddConstant(value + ".zero_point", {"", DataType::kUint8, {}, std::string(1, level)});
    const std::string levels =
        out_.Add("QuantizeLinear", {Unfused(value), scale, zero}, value + ".quantized");
    return name = out_.Add("DequantizeLinear", {levels, scale, zero}, value + ".dequantized");
  }

  /// The value behind a Max with float's lowest number, which changes nothing and is fused with nothing.
  std::string Unfused(const std::string& value) {
    if (!ScaledByNegatives(out_, value)) return value;
    if (lowest_.empty()) {
      lowest_ = out_.AddConstant("float.lowest",
                                 FloatTensor("", {}, {std::numeric_limits<float>::lowest()}));
    }
    return out_.Add("Max", {value, lowest_}, value + ".unfused");
  }

  Status QuantizeConstants(const Layer& layer, float x_scale, Node& node) {
    const std::int64_t channels = layer.weight->dims[static_cast<std::size_t>(layer.channel_axis)];
    const Tensor* bias = Has(node, 2) ? out_.Constant(node.inputs[2]) : nullptr;
    if (bias != nullptr &&
        (bias->type != DataType::kFloat || !IsWhole(*bias) || bias->elements() != channels)) {
      bias = nullptr;  // stays float
    }
    std::vector<float> floor, offsets;
    if (bias != nullptr) {
      offsets = *FloatsOf(*bias);
      for (const float offset : offsets) {
        if (!std::isfinite(offset)) return Invalid("bias '" + bias->name + "' is not finite");
        floor.push_back(std::abs(offset) / x_scale / kMostBias);
      }
    }
    MUSTER_ASSIGN_OR_RETURN(auto weights,
                            QuantizeChannels(*layer.weight, layer.channel_axis, floor));
    if (bias != nullptr) node.inputs[2] = Bias(*bias, offsets, x_scale, weights.scales);
    node.inputs[1] = Weights(layer, std::move(weights));
    return Ok();
  }

  std::string Weights(const Layer& layer, ChannelWeights weights) {
    // A weight that several layers share is kept once, unless their biases want other scales.
    std::string& name = dequantized_[{layer.weight->name, layer.channel_axis, weights.scales}];
    if (!name.empty()) return name;
    const std::string& stem = layer.weight->name;
    const auto channels = static_cast<std::int64_t>(weights.scales.size());
    const std::string scale =
        out_.AddConstant(stem + ".scale", FloatTensor("", {channels}, weights.scales));
    const std::string levels = out_.AddConstant(stem + ".int8", std::move(weights.values));
    // It may be left out, but without it ONNX Runtime 1.30 finds no integer kernel for a Gemm.
    const std::string zero = out_.AddConstant(
        stem + ".zero_point",
        {"", DataType::kInt8, {channels}, std::string(weights.scales.size(), '\0')});
    return name = out_.Add("DequantizeLinear", {levels, scale, zero}, stem + ".dequantized",
                           {{"axis", std::int64_t{layer.channel_axis}}});
  }

  std::string Bias(const Tensor& bias, const std::vector<float>& offsets, float x_scale,
                   const std::vector<float>& scales) {
    const auto channels = static_cast<std::int64_t>(scales.size());
    std::vector<float> bias_scales;
    Tensor levels{"", DataType::kInt32, {channels}, {}};
    for (std::size_t c = 0; c < scales.size(); ++c) {
      bias_scales.push_back(x_scale * scales[c]);
      const auto level =
          static_cast<std::int32_t>(std::nearbyint(double{offsets[c]} / double{bias_scales[c]}));
      levels.bytes.append(reinterpret_cast<const char*>(&level), sizeof level);
    }
    const std::string values = out_.AddConstant(bias.name + ".int32", std::move(levels));
    const std::string scale =
        out_.AddConstant(bias.name + ".scale", FloatTensor("", {channels}, bias_scales));
    return out_.Add("DequantizeLinear", {values, scale}, bias.name + ".dequantized",
                    {{"axis", std::int64_t{0}}});
  }

  const std::map<std::string, Range>& ranges_;
  Rewriter& out_;
  Layers& layers_;
  std::string lowest_;
  std::set<std::string> for_all_;
  std::map<std::string, std::string> quantized_;
  std::map<std::tuple<std::string, int, std::vector<float>>, std::string> dequantized_;
};

}  // namespace

std::vector<std::string> CalibrationPoints(const Model& model, const Options& options) {
  const Rewriter rewriter(model);
  const Result<Layers> layers = StaticLayers(model, rewriter, options);
  std::vector<std::string> points;
  if (!layers.ok()) return points;
  const auto add = [&](const std::string& value) {
    if (!value.empty() && std::ranges::find(points, value) == points.end()) points.push_back(value);
  };
  for (const Layer& layer : layers->of_node) {
    if (layer.weight == nullptr) continue;
    add(layer.node->inputs[0]);
    if (layer.node->op_type == "Conv") add(QuantizedOutput(model, rewriter, *layer.node));
  }
  return points;
}

Model WithOutputs(const Model& model, const std::vector<std::string>& names) {
  Model observed = model;
  for (const std::string& name : names) {
    if (std::ranges::find(observed.graph.outputs, name, &ValueInfo::name) ==
        observed.graph.outputs.end()) {
      observed.graph.outputs.push_back({name, DataType::kFloat, false, {}});
    }
  }
  return observed;
}

Result<Compressed> QuantizeStatic(const Model& model, const std::map<std::string, Range>& ranges,
                                  const Options& options) {
  Rewriter out(model);
  MUSTER_ASSIGN_OR_RETURN(Layers layers, StaticLayers(model, out, options));
  StaticQuantizer quantizer(ranges, out, layers);
  for (const Layer& layer : layers.of_node) {
    if (layer.weight == nullptr || layer.node->op_type != "Conv") continue;
    quantizer.QuantizeForAll(QuantizedOutput(model, out, *layer.node));
  }
  for (const Layer& layer : layers.of_node) MUSTER_RETURN_IF_ERROR(quantizer.Rewrite(layer));
  return Compressed{out.Finish(), std::move(layers.reports)};
}

}  // namespace muster::onnx::compress
