#pragma once

#include <string>
#include <vector>

#include "registry/onnx/graph.h"
#include "registry/onnx/numbers.h"

/// Small models by hand, for the tests of this folder.

namespace muster::onnx {

inline ValueInfo Value(const std::string& name, DataType type, std::vector<Dim> shape) {
  return {.name = name, .type = type, .has_shape = true, .shape = std::move(shape)};
}

/// x float[batch, 4, 6] -> y, and nothing between; `nodes` must make y.
inline Model Around(std::vector<Node> nodes, std::vector<Tensor> initializers = {}) {
  Model model;
  model.graph.name = "small";
  const std::vector<Dim> shape = {Dim::Of("batch"), Dim::Of(4), Dim::Of(6)};
  model.graph.inputs = {Value("x", DataType::kFloat, shape)};
  model.graph.outputs = {Value("y", DataType::kFloat, shape)};
  model.graph.nodes = std::move(nodes);
  model.graph.initializers = std::move(initializers);
  return model;
}

inline Node MakeNode(const std::string& op, std::vector<std::string> inputs,
                     const std::string& output, std::vector<Attribute> attributes = {}) {
  return {.name = output + "/" + op,
          .op_type = op,
          .domain = "",
          .inputs = std::move(inputs),
          .outputs = {output},
          .attributes = std::move(attributes)};
}

inline Tensor Ints(const std::string& name, const std::vector<std::int64_t>& values) {
  return IntTensor(name, DataType::kInt64, {static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace muster::onnx
