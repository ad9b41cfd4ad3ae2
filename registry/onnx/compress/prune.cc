#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "registry/onnx/compress/layers.h"
#include "registry/onnx/numbers.h"

namespace muster::onnx::compress {
namespace {

/// Zeroes the floor(share * n) of least magnitude.
void ZeroSmallest(std::vector<float*>& weights, double share) {
  const auto zeroed = static_cast<std::ptrdiff_t>(share * static_cast<double>(weights.size()));
  // Places in memory order break ties, so that the same model gives the same bytes.
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto less = [&](std::size_t a, std::size_t b) {
    return std::pair(std::abs(*weights[a]), a) < std::pair(std::abs(*weights[b]), b);
  };
  std::nth_element(order.begin(), order.begin() + zeroed, order.end(), less);
  for (auto place = order.begin(); place != order.begin() + zeroed; ++place) *weights[*place] = 0;
}

double ZeroShare(const std::vector<float>& values) {
  return static_cast<double>(std::ranges::count(values, 0.0F)) / static_cast<double>(values.size());
}

}  // namespace

Result<Compressed> Prune(const Model& model, double share, PruneScope scope,
                         const Options& options) {
  if (!(share >= 0 && share < 1)) {
    return Invalid("the share of weights to prune is " + std::to_string(share) +
                   "; wanted 0 or more, less than 1");
  }
  const Rewriter found(model);
  MUSTER_ASSIGN_OR_RETURN(Layers layers,
                          FindLayers(model, found, options, {"MatMul", "Gemm", "Conv"}));
  std::set<std::string> chosen;
  for (const Layer& layer : layers.of_node) {
    if (layer.weight != nullptr) chosen.insert(layer.weight->name);
  }
  Compressed result{model, std::move(layers.reports)};
  std::vector<Tensor*> tensors;
  std::vector<std::vector<float>> values;
  for (Tensor& tensor : result.model.graph.initializers) {
    if (!chosen.contains(tensor.name)) continue;
    tensors.push_back(&tensor);
    values.push_back(*FloatsOf(tensor));
    if (std::ranges::any_of(values.back(), [](float w) { return std::isnan(w); })) {
      return Invalid("weight '" + tensor.name + "' holds NaN");
    }
  }
  std::vector<float*> pool;
  for (std::vector<float>& weight : values) {
    for (float& w : weight) pool.push_back(&w);
    if (scope == PruneScope::kGlobal) continue;
    ZeroSmallest(pool, share);
    pool.clear();
  }
  if (!pool.empty()) ZeroSmallest(pool, share);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i]->bytes = FloatTensor("", {}, values[i]).bytes;
    for (LayerReport& report : result.layers) {
      if (report.weight == tensors[i]->name) report.zeros = ZeroShare(values[i]);
    }
  }
  return result;
}

}  // namespace muster::onnx::compress
