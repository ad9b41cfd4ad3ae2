#include "registry/onnx/compress/layers.h"

#include <algorithm>
#include <limits>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

constexpr std::size_t kNoReport = std::numeric_limits<std::size_t>::max();
constexpr std::int64_t kOldestOpset = 13;

/// The place of the weights among the inputs.
std::size_t WeightInput(const Node& node) { return node.op_type == "Gather" ? 0 : 1; }

int ChannelAxis(const Node& node, const Tensor& weight) {
  if (node.op_type == "Conv" || node.op_type == "Gather") return 0;
  if (node.op_type == "Gemm") return IntOr(node, "transB", 0) != 0 ? 0 : 1;
  return static_cast<int>(weight.dims.size()) - 1;
}

/// Why the weights cannot be compressed, whatever their values; empty: they can.
std::string Obstacle(const Node& node, const Tensor* weight, const Options& options) {
  if (weight == nullptr) return "its weights are not constant";
  if (weight->type != DataType::kFloat) {
    return "its weights are " + std::string(DataTypeName(weight->type)) + ", not float";
  }
  if (!IsWhole(*weight)) return "its weights have another size than their shape says";
  const std::int64_t elements = weight->elements();
  const std::size_t rank = weight->dims.size();
  if (rank < 2 || (rank != 2 && (node.op_type == "Gemm" || node.op_type == "Gather"))) {
    return "its weights have rank " + std::to_string(rank);
  }
  if (node.op_type == "Gather" && IntOr(node, "axis", 0) != 0) {
    return "it gathers along an axis other than 0";
  }
  if (elements < options.min_elements) {
    return "its " + std::to_string(elements) + " weights are fewer than " +
           std::to_string(options.min_elements);
  }
  return "";
}

}  // namespace

std::int64_t Compressed::rewritten() const {
  return std::ranges::count_if(layers, [](const LayerReport& layer) { return layer.left.empty(); });
}

bool Has(const Node& node, std::size_t input) {
  return node.inputs.size() > input && !node.inputs[input].empty();
}

Result<Layers> FindLayers(const Model& model, const Rewriter& rewriter, const Options& options,
                          std::initializer_list<std::string_view> operators) {
  if (rewriter.opset() < kOldestOpset) {
    return Unsupported("the model imports operator set " + std::to_string(rewriter.opset()) +
                       "; to be compressed it must be of " + std::to_string(kOldestOpset) +
                       " or above: export it anew, or convert it with onnx.version_converter");
  }
  Layers layers;
  std::vector<std::size_t> matrices;  // nodes that keep_first and keep_last count
  const std::vector<Node>& nodes = model.graph.nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    Layer& layer = layers.of_node.emplace_back(Layer{&node, nullptr, 0, kNoReport});
    const std::size_t place = WeightInput(node);
    if (!node.domain.empty() || std::ranges::find(operators, node.op_type) == operators.end() ||
        !Has(node, place)) {
      continue;
    }
    const Tensor* weight = rewriter.Constant(node.inputs[place]);
    // A Gather of something that is computed is no embedding.
    if (weight == nullptr && node.op_type == "Gather") continue;
    layer.report = layers.reports.size();
    LayerReport& report = layers.reports.emplace_back();
    report.node = node.name.empty() ? node.op_type + " #" + std::to_string(i) : node.name;
    if (weight != nullptr) report.weight = weight->name;
    report.left = Obstacle(node, weight, options);
    if (!report.left.empty()) continue;
    layer.weight = weight;
    layer.channel_axis = ChannelAxis(node, *weight);
    if (node.op_type != "Gather") matrices.push_back(i);
  }
  const auto keep = [&](std::size_t node, const char* why) {
    layers.Leave(layers.of_node[node], why);
    layers.of_node[node].weight = nullptr;
  };
  if (options.keep_first && !matrices.empty()) keep(matrices.front(), "it is the first layer");
  if (options.keep_last && !matrices.empty()) keep(matrices.back(), "it is the last layer");
  return layers;
}

}  // namespace muster::onnx::compress
