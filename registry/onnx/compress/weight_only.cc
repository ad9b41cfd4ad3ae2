#include <map>

#include "registry/onnx/compress/layers.h"
#include "registry/onnx/compress/weights.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

class WeightQuantizer {
 public:
  explicit WeightQuantizer(Rewriter& out) : out_(out) {}

  Status Rewrite(const Layer& layer) {
    Node node = *layer.node;
    if (layer.weight != nullptr) {
      MUSTER_ASSIGN_OR_RETURN(Weights* const weights, WeightsOf(layer));
      if (node.op_type == "Gather") {
        GatherRows(node, layer, *weights);
        return Ok();
      }
      node.inputs[1] = Dequantized(layer, *weights);
    }
    out_.Append(std::move(node));
    return Ok();
  }

 private:
  /// The names of one weight's constants; those that no layer wanted yet are empty.
  struct Weights {
    std::string values;
    std::vector<float> scales;
    std::string column_scale, dequantized;
  };

  Result<Weights*> WeightsOf(const Layer& layer) {
    const auto [entry, added] =
        weights_.try_emplace({layer.weight->name, layer.channel_axis}, Weights{});
    if (added) {
      MUSTER_ASSIGN_OR_RETURN(auto quantized, QuantizeChannels(*layer.weight, layer.channel_axis));
      entry->second.values =
          out_.AddConstant(layer.weight->name + ".int8", std::move(quantized.values));
      entry->second.scales = std::move(quantized.scales);
    }
    return &entry->second;
  }

  std::string Scale(const Layer& layer, const Weights& weights, std::vector<std::int64_t> dims) {
    return out_.AddConstant(layer.weight->name + ".scale",
                            FloatTensor("", std::move(dims), weights.scales));
  }

  const std::string& Dequantized(const Layer& layer, Weights& weights) {
    if (weights.dequantized.empty()) {
      const auto channels = static_cast<std::int64_t>(weights.scales.size());
      weights.dequantized = out_.Add(
          "DequantizeLinear", {weights.values, Scale(layer, weights, {channels})},
          layer.weight->name + ".dequantized", {{"axis", std::int64_t{layer.channel_axis}}});
    }
    return weights.dequantized;
  }

  /// DequantizeLinear before Gather would unpack the whole table for a few rows, and behind it no axis counts the
  /// table's rows any more: so rows and scales are gathered alike.
  void GatherRows(const Node& node, const Layer& layer, Weights& weights) {
    const std::string& y = node.outputs[0];
    if (weights.column_scale.empty()) {
      const auto rows = static_cast<std::int64_t>(weights.scales.size());
      weights.column_scale = Scale(layer, weights, {rows, 1});
    }
    const std::string values =
        out_.Add("Gather", {weights.values, node.inputs[1]}, y + ".int8", node.attributes);
    const std::string cast = out_.Add("Cast", {values}, y + ".float",
                                      {{"to", static_cast<std::int64_t>(DataType::kFloat)}});
    const std::string scales =
        out_.Add("Gather", {weights.column_scale, node.inputs[1]}, y + ".scale", node.attributes);
    out_.Append({node.name, "Mul", "", {cast, scales}, {y}, {}});
  }

  Rewriter& out_;
  std::map<std::pair<std::string, int>, Weights> weights_;
};

}  // namespace

Result<Compressed> QuantizeWeights(const Model& model, const Options& options) {
  Rewriter out(model);
  MUSTER_ASSIGN_OR_RETURN(Layers layers,
                          FindLayers(model, out, options, {"MatMul", "Gemm", "Conv", "Gather"}));
  WeightQuantizer quantizer(out);
  for (const Layer& layer : layers.of_node) MUSTER_RETURN_IF_ERROR(quantizer.Rewrite(layer));
  return Compressed{out.Finish(), std::move(layers.reports)};
}

}  // namespace muster::onnx::compress
