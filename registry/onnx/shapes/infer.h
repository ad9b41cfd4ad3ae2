#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/onnx/graph.h"
#include "registry/onnx/shapes/symbolic.h"

namespace muster::onnx {

using Shape = std::vector<Number>;

/// What is known of a value before the model runs.
struct Inferred {
  DataType type = DataType::kUndefined;
  std::optional<Shape> shape;  ///< nothing: not even the rank is known
  /// The elements of a whole-number tensor of at most one dimension and kMaxContent elements, where they follow
  /// from shapes and constants ("[batch, 4, -1]"). A number of which nothing is known is one of them.
  std::optional<std::vector<Number>> content;
};
inline constexpr std::size_t kMaxContent = 128;
/// Values of more dimensions have an unknown shape.
inline constexpr std::size_t kMaxRank = 64;

struct Inference {
  std::unordered_map<std::string, Inferred> values;  ///< inputs and initializers too
  /// What cannot be: a declared type or shape that differs from the inferred one, inputs that do not fit each
  /// other; a sentence each, with the node's name. At most 100.
  std::vector<std::string> contradictions;

  /// The value as a graph lists it; without type and shape where nothing is known of it.
  [[nodiscard]] ValueInfo Info(const std::string& name) const;
};

/// Types, shapes and shape arithmetic through the graph, by ONNX's rule of each operator (operator sets 13 to 21).
/// A dimension is a number, an expression in the symbols of the graph's inputs ("4*batch*time"), or unknown; what is
/// declared (graph outputs, value_info) fills in what could not be inferred. Operators without a rule, other domains
/// and whatever does not follow answer unknown, never a guess. `model` may be anything that the reader gives; time is
/// linear in it.
Inference InferShapes(const Model& model);

}  // namespace muster::onnx
