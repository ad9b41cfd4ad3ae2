#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "registry/onnx/graph.h"

/// Private to registry/onnx/compress.

namespace muster::onnx::compress {

/// Whoever walks from a value to what it is made of stops after so many nodes: a hostile graph has cycles.
inline constexpr int kLongestWalk = 64;

/// A model that is written anew, node after node.
class Rewriter {
 public:
  /// `model` must outlive it.
  explicit Rewriter(const Model& model);

  /// Null when `name` is no initializer.
  [[nodiscard]] const Tensor* Constant(const std::string& name) const;
  /// How many nodes and graph outputs use a value.
  [[nodiscard]] int Uses(const std::string& name) const;
  /// The node that computes a value; null of constants and inputs.
  [[nodiscard]] const Node* Maker(const std::string& name) const;
  /// Of Relu, Sigmoid and the like, seen through what only moves or pools values.
  [[nodiscard]] bool NeverNegative(const std::string& name) const;
  /// The version of ONNX's own operator set; 0 without.
  [[nodiscard]] std::int64_t opset() const;
  [[nodiscard]] bool IsOutput(const std::string& name) const { return outputs_.contains(name); }
  /// "stem", or "stem.2" ... when that is taken. Taken from then on.
  std::string Fresh(const std::string& stem);
  /// Answers the name that it got.
  std::string AddConstant(const std::string& stem, Tensor tensor);
  /// A node with one output, named after it; answers the output.
  std::string Add(std::string op, std::vector<std::string> inputs, const std::string& output_stem,
                  std::vector<Attribute> attributes = {});
  void Append(Node node) { nodes_.push_back(std::move(node)); }

  /// The model with the nodes that were added, without initializers that nothing uses.
  Model Finish();

 private:
  const Model& model_;
  std::unordered_map<std::string, const Tensor*> constants_;
  std::unordered_map<std::string, const Node*> makers_;
  std::unordered_map<std::string, int> uses_;
  std::unordered_set<std::string> outputs_, names_;
  std::vector<Node> nodes_;
  std::vector<Tensor> added_;
};

}  // namespace muster::onnx::compress
