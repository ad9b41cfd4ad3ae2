#include <algorithm>
#include <cmath>

#include "registry/onnx/numbers.h"
#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

DataType TypeOr(const Node& node, std::string_view name, DataType otherwise) {
  const std::int64_t type = IntOr(node, name, static_cast<std::int64_t>(otherwise));
  const bool known = type > 0 && type <= static_cast<std::int64_t>(DataType::kBfloat16);
  return known ? static_cast<DataType>(type) : DataType::kUndefined;
}

void Constant(ShapeCall& call) {
  const Node& node = call.node();
  const auto length = [](std::size_t n) { return Shape{Known(static_cast<std::int64_t>(n))}; };
  if (const auto* tensor = FindValue<Tensor>(node, "value")) {
    call.Out(tensor->type, Shape(tensor->dims.begin(), tensor->dims.end()));
    const auto ints = tensor->dims.size() <= 1 ? IntsOf(*tensor) : std::nullopt;
    if (ints) call.Content({ints->begin(), ints->end()});
  } else if (const auto* number = FindValue<std::int64_t>(node, "value_int")) {
    call.Out(DataType::kInt64, Shape());
    call.Content({Known(*number)});
  } else if (const auto* ints = FindValue<std::vector<std::int64_t>>(node, "value_ints")) {
    call.Out(DataType::kInt64, length(ints->size()));
    call.Content({ints->begin(), ints->end()});
  } else if (FindValue<float>(node, "value_float") != nullptr) {
    call.Out(DataType::kFloat, Shape());
  } else if (const auto* floats = FindValue<std::vector<float>>(node, "value_floats")) {
    call.Out(DataType::kFloat, length(floats->size()));
  }
}

void ConstantOfShape(ShapeCall& call) {
  const auto* value = FindValue<Tensor>(call.node(), "value");
  const DataType type = value == nullptr ? DataType::kFloat : value->type;
  const auto* dims = call.content(0);
  if (dims != nullptr) return call.Out(type, *dims);
  const auto rank = ConstantOf(call.dim(0, 0));
  const bool sane = rank && *rank >= 0 && *rank <= static_cast<std::int64_t>(kMaxRank);
  call.Out(type, sane ? std::optional(Shape(static_cast<std::size_t>(*rank))) : std::nullopt);
}

/// max(ceil((limit - start) / delta), 0)
Number RangeCount(const ShapeCall& call) {
  const Number start = call.number(0);
  const Number limit = call.number(1);
  const auto delta = ConstantOf(call.number(2));
  if (!delta || *delta == 0) return std::nullopt;
  const Number span = Subtract(limit, start);
  if (const auto constant = ConstantOf(span)) {
    if ((*constant > 0) != (*delta > 0)) return Known(0);
    if (*delta == -1) return Subtract(start, limit);
    return Known(*constant / *delta + (*constant % *delta != 0 ? 1 : 0));
  }
  return *delta == 1 ? span : Number();
}

void Range(ShapeCall& call) { call.Out(call.type(0), Shape{RangeCount(call)}); }

void Random(ShapeCall& call) {
  const auto dims = IntsOr(call.node(), "shape", {});
  call.Out(TypeOr(call.node(), "dtype", DataType::kFloat), Shape(dims.begin(), dims.end()));
}

void Multinomial(ShapeCall& call) {
  call.Out(TypeOr(call.node(), "dtype", DataType::kInt32),
           Shape{call.dim(0, 0), Known(IntOr(call.node(), "sample_size", 1))});
}

void WindowFunction(ShapeCall& call) {
  call.Out(TypeOr(call.node(), "output_datatype", DataType::kFloat), Shape{call.number(0)});
}

void MelWeightMatrix(ShapeCall& call) {
  call.Out(TypeOr(call.node(), "output_datatype", DataType::kFloat),
           Shape{Add(FloorDivide(call.number(1), 2), Known(1)), call.number(0)});
}

void NonMaxSuppression(ShapeCall& call) { call.Out(DataType::kInt64, Shape{Number(), Known(3)}); }

constexpr ShapeRule kRules[] = {
    {"BlackmanWindow", WindowFunction},
    {"Constant", Constant},
    {"ConstantOfShape", ConstantOfShape},
    {"HammingWindow", WindowFunction},
    {"HannWindow", WindowFunction},
    {"MelWeightMatrix", MelWeightMatrix},
    {"Multinomial", Multinomial},
    {"NonMaxSuppression", NonMaxSuppression},
    {"RandomNormal", Random},
    {"RandomUniform", Random},
    {"Range", Range},
};

}  // namespace

std::span<const ShapeRule> GeneratorRules() { return kRules; }

}  // namespace muster::onnx
