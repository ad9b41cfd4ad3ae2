#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "registry/onnx/compress/compress.h"
#include "registry/onnx/compress/rewriter.h"

/// Which nodes are compressed. Private to registry/onnx/compress.

namespace muster::onnx::compress {

/// A node and what may be done with it.
struct Layer {
  const Node* node = nullptr;
  const Tensor* weight = nullptr;  ///< null: left alone
  int channel_axis = 0;            ///< the axis of `weight` that counts the output's channels
  std::size_t report = 0;  ///< its place in Layers::reports; SIZE_MAX: not of the wanted operators
};

struct Layers {
  std::vector<Layer> of_node;  ///< one a node of the graph
  std::vector<LayerReport> reports;

  void Leave(const Layer& layer, std::string why) { reports[layer.report].left = std::move(why); }
};

/// kUnsupported below operator set 13.
Result<Layers> FindLayers(const Model& model, const Rewriter& rewriter, const Options& options,
                          std::initializer_list<std::string_view> operators);

/// Whether the node has that input; an optional one may be left out.
bool Has(const Node& node, std::size_t input);

}  // namespace muster::onnx::compress
