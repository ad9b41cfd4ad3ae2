#include <algorithm>
#include <map>

#include "registry/onnx/attributes.h"
#include "registry/onnx/compress/layers.h"
#include "registry/onnx/compress/weights.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

/// Below that a row counts as zeros; its scale is still a normal number.
constexpr float kLeastMagnitude = 1e-30F;

class DynamicQuantizer {
 public:
  DynamicQuantizer(Rewriter& out, Layers& layers) : out_(out), layers_(layers) {}

  Status Rewrite(const Layer& layer) {
    const Node& node = *layer.node;
    if (layer.weight == nullptr) return Keep(node);
    const bool gemm = node.op_type == "Gemm";
    if (const std::string why = Obstacle(layer, gemm); !why.empty()) {
      layers_.Leave(layer, why);
      return Keep(node);
    }
    const float alpha = gemm ? FloatOr(node, "alpha", 1) : 1;
    MUSTER_ASSIGN_OR_RETURN(const Weights weights, WeightsOf(layer, alpha));
    const Activation& x = Quantized(node.inputs[0]);
    const std::string& y = node.outputs[0];
    const std::string sum =
        out_.Add("MatMulInteger", {x.values, weights.values, x.zero_point}, y + ".int32");
    const std::string cast = out_.Add("Cast", {sum}, y + ".float", {{"to", ToFloat()}});
    // One scale after the other: ONNX Runtime 1.30 takes a product of both for DynamicQuantizeLinear's, and of
    // its rows the first.
    const std::string of_row = out_.Add("Mul", {cast, x.scale}, y + ".row");
    if (!gemm || !Has(node, 2)) {
      out_.Append({node.name, "Mul", "", {of_row, weights.scale}, {y}, {}});
      return Ok();
    }
    const std::string product = out_.Add("Mul", {of_row, weights.scale}, y + ".product");
    out_.Append({node.name, "Add", "", {product, Bias(node)}, {y}, {}});
    return Ok();
  }

 private:
  struct Activation {
    std::string values, scale, zero_point;
  };
  struct Weights {
    std::string values, scale;
  };

  static std::int64_t ToFloat() { return static_cast<std::int64_t>(DataType::kFloat); }

  Status Keep(const Node& node) {
    out_.Append(node);
    return Ok();
  }

  std::string Obstacle(const Layer& layer, bool gemm) const {
    if (layer.weight->dims.size() != 2) {
      return "its weights have rank " + std::to_string(layer.weight->dims.size());
    }
    if (!gemm) return "";
    if (IntOr(*layer.node, "transA", 0) != 0) return "its input is transposed";
    const bool scaled = FloatOr(*layer.node, "beta", 1) != 1 && Has(*layer.node, 2);
    const Tensor* bias = scaled ? out_.Constant(layer.node->inputs[2]) : nullptr;
    if (scaled && (bias == nullptr || !FloatsOf(*bias))) {
      return "its bias is scaled and not constant";
    }
    return "";
  }

  /// MatMulInteger takes (K, N).
  Result<Weights> WeightsOf(const Layer& layer, float alpha) {
    const auto key = std::tuple(layer.weight->name, layer.channel_axis, alpha);
    if (const auto found = weights_.find(key); found != weights_.end()) return found->second;
    const bool turn = layer.channel_axis == 0;
    MUSTER_ASSIGN_OR_RETURN(auto quantized, turn ? QuantizeChannels(Transposed(*layer.weight), 1)
                                                 : QuantizeChannels(*layer.weight, 1));
    for (float& scale : quantized.scales) scale *= alpha;
    const auto channels = static_cast<std::int64_t>(quantized.scales.size());
    const std::string& name = layer.weight->name;
    return weights_[key] = {
               out_.AddConstant(name + ".int8", std::move(quantized.values)),
               out_.AddConstant(name + ".scale", FloatTensor("", {channels}, quantized.scales))};
  }

  /// One quantisation of a value, however many layers take it.
  const Activation& Quantized(const std::string& x) {
    const auto [entry, added] = activations_.try_emplace(x);
    Activation& names = entry->second;
    if (!added) return names;
    // What is never negative needs no levels below 0.
    const bool positive = out_.NeverNegative(x);
    const std::string magnitude = positive ? x : out_.Add("Abs", {x}, x + ".magnitude");
    const std::string most = RowMaximum(magnitude, x + ".most");
    const std::string some =
        out_.Add("Max", {most, Scalar("row.least", kLeastMagnitude)}, x + ".most");
    names.scale = out_.Add("Mul",
                           {some, positive ? Scalar("row.unsigned_step", 1 / 255.0F)
                                           : Scalar("row.signed_step", 1 / 127.0F)},
                           x + ".scale");
    names.zero_point = ZeroPoint(positive ? 0 : 128);
    const std::string levels = out_.Add("Div", {x, names.scale}, x + ".levels");
    names.values = out_.Add("QuantizeLinear", {levels, Scalar("row.one", 1), names.zero_point},
                            x + ".quantized");
    return names;
  }

  /// Of the last axis, which stays with size 1. The axes became an input with set 18.
  std::string RowMaximum(const std::string& x, const std::string& stem) {
    const std::vector<std::int64_t> axes{-1};
    if (out_.opset() < 18) return out_.Add("ReduceMax", {x}, stem, {{"axes", axes}});
    const std::string last = Shared("row.axes", IntTensor("", DataType::kInt64, {1}, axes));
    return out_.Add("ReduceMax", {x, last}, stem);
  }

  std::string Scalar(const std::string& name, float value) {
    return Shared(name, FloatTensor("", {}, {value}));
  }
  std::string ZeroPoint(std::int64_t level) {
    return Shared("row.zero_point." + std::to_string(level),
                  IntTensor("", DataType::kUint8, {}, {level}));
  }
  /// A constant that all layers share.
  const std::string& Shared(const std::string& stem, Tensor value) {
    std::string& name = shared_[stem];
    if (name.empty()) name = out_.AddConstant(stem, std::move(value));
    return name;
  }

  /// Gemm's C times beta.
  std::string Bias(const Node& node) {
    const float beta = FloatOr(node, "beta", 1);
    if (beta == 1) return node.inputs[2];
    const Tensor& bias = *out_.Constant(node.inputs[2]);
    std::vector<float> values = *FloatsOf(bias);
    for (float& value : values) value *= beta;
    return out_.AddConstant(bias.name + ".scaled", FloatTensor("", bias.dims, values));
  }

  Rewriter& out_;
  Layers& layers_;
  std::map<std::tuple<std::string, int, float>, Weights> weights_;
  std::map<std::string, Activation> activations_;
  std::map<std::string, std::string> shared_;
};

}  // namespace

Result<Compressed> QuantizeDynamic(const Model& model, const Options& options) {
  Rewriter out(model);
  MUSTER_ASSIGN_OR_RETURN(Layers layers, FindLayers(model, out, options, {"MatMul", "Gemm"}));
  DynamicQuantizer quantizer(out, layers);
  for (const Layer& layer : layers.of_node) MUSTER_RETURN_IF_ERROR(quantizer.Rewrite(layer));
  return Compressed{out.Finish(), std::move(layers.reports)};
}

}  // namespace muster::onnx::compress
