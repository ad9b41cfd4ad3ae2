#include <algorithm>

#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

void ReduceOver(ShapeCall& call, const std::vector<std::int64_t>& given, DataType type) {
  const Shape* data = call.shape(0);
  const auto axes = call.Axes(given, data->size());
  if (!axes) return;
  const bool keep = IntOr(call.node(), "keepdims", 1) != 0;
  Shape shape;
  for (std::size_t d = 0; d < data->size(); ++d) {
    if (!std::binary_search(axes->begin(), axes->end(), d)) {
      shape.push_back((*data)[d]);
    } else if (keep) {
      shape.push_back(Known(1));
    }
  }
  call.Out(type, std::move(shape));
}

void Reduce(ShapeCall& call) {
  const Shape* data = call.shape(0);
  call.Out(call.type(0), std::nullopt);
  if (data == nullptr) return;
  // An attribute until operator set 17 (ReduceSum: 12), an input after.
  std::vector<std::int64_t> axes = IntsOr(call.node(), "axes", {});
  if (call.has(1)) {
    const auto given = call.ints(1);
    if (!given) {
      if (IntOr(call.node(), "keepdims", 1) != 0) call.Out(call.type(0), Shape(data->size()));
      return;
    }
    axes = *given;
  }
  if (axes.empty()) {
    if (IntOr(call.node(), "noop_with_empty_axes", 0) != 0) return call.Same(0);
    for (std::size_t d = 0; d < data->size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  }
  ReduceOver(call, axes, call.type(0));
  if (call.node().op_type == "ReduceProd" && call.content(0) != nullptr && axes.size() == 1) {
    call.Content({ProductOf(*call.content(0), 0, call.content(0)->size())});
  }
}

void ArgExtreme(ShapeCall& call) {
  call.Out(DataType::kInt64, std::nullopt);
  if (call.shape(0) != nullptr) ReduceOver(call, {IntOr(call.node(), "axis", 0)}, DataType::kInt64);
}

void Determinant(ShapeCall& call) {
  const Shape* data = call.shape(0);
  if (data == nullptr || data->size() < 2) return call.Out(call.type(0), std::nullopt);
  call.Out(call.type(0), Shape(data->begin(), data->end() - 2));
}

void Loss(ShapeCall& call) {
  const bool each = TextOr(call.node(), "reduction", "mean") == "none";
  const Shape* target = call.shape(1);
  call.Out(call.type(0), each ? (target ? std::optional(*target) : std::nullopt) : Shape());
  if (call.shape(0) != nullptr) call.Out(1, call.type(0), *call.shape(0));
}

constexpr ShapeRule kRules[] = {
    {"ArgMax", ArgExtreme},
    {"ArgMin", ArgExtreme},
    {"Det", Determinant},
    {"NegativeLogLikelihoodLoss", Loss},
    {"ReduceL1", Reduce},
    {"ReduceL2", Reduce},
    {"ReduceLogSum", Reduce},
    {"ReduceLogSumExp", Reduce},
    {"ReduceMax", Reduce},
    {"ReduceMean", Reduce},
    {"ReduceMin", Reduce},
    {"ReduceProd", Reduce},
    {"ReduceSum", Reduce},
    {"ReduceSumSquare", Reduce},
    {"SoftmaxCrossEntropyLoss", Loss},
};

}  // namespace

std::span<const ShapeRule> ReductionRules() { return kRules; }

}  // namespace muster::onnx
