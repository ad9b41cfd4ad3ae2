#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/onnx/attributes.h"
#include "registry/onnx/shapes/infer.h"

/// A node under inference, and the rules by operator. Private to registry/onnx.

namespace muster::onnx {

/// What a rule sees of a node and says of it. Inputs out of range and those left out are like unknown ones.
class ShapeCall {
 public:
  struct Input {
    const Inferred* value = nullptr;
    const Tensor* constant = nullptr;  ///< an initializer, or what a Constant node makes
  };
  ShapeCall(const Node& node, std::vector<Input> inputs)
      : node_(node), inputs_(std::move(inputs)), outputs_(node.outputs.size()) {}

  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] std::size_t size() const { return inputs_.size(); }
  [[nodiscard]] bool has(std::size_t i) const {
    return i < node_.inputs.size() && !node_.inputs[i].empty();
  }
  [[nodiscard]] DataType type(std::size_t i) const;
  [[nodiscard]] const Shape* shape(std::size_t i) const;  ///< null: unknown
  /// Dimension `d` from the front, or for negative ones from the end; unknown where there is none.
  [[nodiscard]] Number dim(std::size_t i, int d) const;
  [[nodiscard]] const std::vector<Number>* content(std::size_t i) const;  ///< null: unknown
  [[nodiscard]] const Tensor* constant(std::size_t i) const;              ///< null: no constant
  /// The content where all of it is constant.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> ints(std::size_t i) const;
  /// Its one number; unknown also when there are more.
  [[nodiscard]] Number number(std::size_t i) const;

  /// Counted from the front; nothing, and Wrong(), when there is no such axis among `rank`.
  std::optional<std::size_t> Axis(std::int64_t axis, std::size_t rank);
  /// All of `axes` by Axis, ascending; nothing when one is none or comes twice.
  std::optional<std::vector<std::size_t>> Axes(const std::vector<std::int64_t>& axes,
                                               std::size_t rank);

  void Out(std::size_t i, DataType type, std::optional<Shape> shape);
  void Out(DataType type, std::optional<Shape> shape) { Out(0, type, std::move(shape)); }
  void Same(std::size_t i) { Out(type(i), shape(i) ? std::optional(*shape(i)) : std::nullopt); }
  /// The content of output 0; too much of it is forgotten.
  void Content(std::vector<Number> numbers);
  /// The inputs do not fit each other; the first is kept.
  void Wrong(std::string why) {
    if (wrong_.empty()) wrong_ = std::move(why);
  }

  std::vector<Inferred>& outputs() { return outputs_; }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  [[nodiscard]] const Input* At(std::size_t i) const {
    return i < inputs_.size() && has(i) ? &inputs_[i] : nullptr;
  }
  const Node& node_;
  std::vector<Input> inputs_;
  std::vector<Inferred> outputs_;
  std::string wrong_;
};

struct ShapeRule {
  std::string_view op;
  void (*apply)(ShapeCall& call);
};

std::span<const ShapeRule> ElementwiseRules();
std::span<const ShapeRule> ReshapeRules();   ///< dimensions rearranged, elements kept
std::span<const ShapeRule> IndexingRules();  ///< elements chosen, joined, repeated
std::span<const ShapeRule> WindowRules();    ///< convolutions, pools, resizing
std::span<const ShapeRule> LinearRules();    ///< products and recurrent layers
std::span<const ShapeRule> ReductionRules();
std::span<const ShapeRule> GeneratorRules();  ///< constants, ranges, random numbers, windows

/// Shapes broadcast as numpy does; nothing where one is unknown. `call` hears of dimensions that do not fit.
std::optional<Shape> Broadcast(ShapeCall& call, const Shape* a, const Shape* b);
/// The product of the dimensions [begin, end).
Number ProductOf(const Shape& shape, std::size_t begin, std::size_t end);
/// "[batch, 3]"
std::string ShapeText(const Shape& shape);

}  // namespace muster::onnx
