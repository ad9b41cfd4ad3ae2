#include <algorithm>

#include "registry/onnx/shapes/rules.h"

namespace muster::onnx {
namespace {

void First(ShapeCall& call) { call.Same(0); }

void Identity(ShapeCall& call) {
  call.Same(0);
  if (call.content(0) != nullptr) call.Content(*call.content(0));
}

/// All inputs broadcast, with the first one's type.
void Broadcasting(ShapeCall& call) {
  std::optional<Shape> shape = call.shape(0) ? std::optional(*call.shape(0)) : std::nullopt;
  for (std::size_t i = 1; i < call.size(); ++i) {
    shape = Broadcast(call, shape ? &*shape : nullptr, call.shape(i));
  }
  call.Out(call.type(0), std::move(shape));
}

void Comparison(ShapeCall& call) {
  Broadcasting(call);
  call.outputs()[0].type = DataType::kBool;
}

void Select(ShapeCall& call) {
  Broadcasting(call);
  call.outputs()[0].type = call.type(1);
}

template <Number (*Apply)(const Number&, const Number&)>
void Arithmetic(ShapeCall& call) {
  Broadcasting(call);
  const auto* a = call.content(0);
  const auto* b = call.content(1);
  if (a == nullptr || b == nullptr ||
      (a->size() != b->size() && a->size() != 1 && b->size() != 1)) {
    return;
  }
  std::vector<Number> numbers(a->size() == 1 ? b->size() : a->size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = Apply((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
  }
  // 32 bits wrap earlier than the numbers here do; such shapes have no content worth knowing.
  if (call.type(0) == DataType::kInt64) call.Content(std::move(numbers));
}

/// Division of whole numbers, which drops the rest: as floor does where nothing is negative.
Number Quotient(const Number& a, const Number& b) {
  const auto divisor = ConstantOf(b);
  const auto dividend = ConstantOf(a);
  if (!divisor || *divisor < 1) return std::nullopt;
  if (dividend) return Known(*dividend / *divisor);
  return DivideExactly(a, b);
}

void Bool(ShapeCall& call) {
  call.Same(0);
  call.outputs()[0].type = DataType::kBool;
}

DataType TypeFrom(const Node& node, std::string_view name, DataType otherwise) {
  const std::int64_t number = IntOr(node, name, static_cast<std::int64_t>(otherwise));
  // A type of a later ONNX is none that a value here can have.
  if (number < 0 || number > static_cast<std::int64_t>(DataType::kBfloat16)) {
    return DataType::kUndefined;
  }
  return static_cast<DataType>(number);
}

void Cast(ShapeCall& call) {
  call.Same(0);
  const DataType to = TypeFrom(call.node(), "to", DataType::kUndefined);
  call.outputs()[0].type = to;
  const bool kept = to == DataType::kInt64 || (to == DataType::kInt32 && call.ints(0).has_value());
  if (kept && call.type(0) != DataType::kBool && call.content(0) != nullptr) {
    call.Content(*call.content(0));
  }
}

void CastLike(ShapeCall& call) {
  call.Same(0);
  call.outputs()[0].type = call.type(1);
}

void TypedLike(ShapeCall& call) {
  call.Same(0);
  call.outputs()[0].type = TypeFrom(call.node(), "dtype", call.type(0));
}

void Dropout(ShapeCall& call) {
  call.Same(0);
  if (call.shape(0) != nullptr) call.Out(1, DataType::kBool, *call.shape(0));
}

void BatchNormalization(ShapeCall& call) {
  call.Same(0);
  for (std::size_t i = 1; i < call.outputs().size(); ++i) {
    call.Out(i, call.type(3), Shape{call.dim(0, 1)});
  }
}

void LayerNormalization(ShapeCall& call) {
  call.Same(0);
  const Shape* shape = call.shape(0);
  if (shape == nullptr) return;
  const auto axis = call.Axis(IntOr(call.node(), "axis", -1), shape->size());
  if (!axis) return;
  Shape statistics = *shape;
  std::fill(statistics.begin() + static_cast<std::ptrdiff_t>(*axis), statistics.end(), Known(1));
  call.Out(1, DataType::kFloat, statistics);
  call.Out(2, DataType::kFloat, statistics);
}

void QuantizeLinear(ShapeCall& call) {
  call.Same(0);
  const DataType said = TypeFrom(call.node(), "output_dtype", DataType::kUndefined);
  const DataType otherwise = said == DataType::kUndefined ? DataType::kUint8 : said;
  call.outputs()[0].type = call.has(2) ? call.type(2) : otherwise;
}

void DequantizeLinear(ShapeCall& call) {
  call.Same(0);
  call.outputs()[0].type = call.type(1);
}

void DynamicQuantizeLinear(ShapeCall& call) {
  call.Same(0);
  call.outputs()[0].type = DataType::kUint8;
  call.Out(1, DataType::kFloat, Shape());
  call.Out(2, DataType::kUint8, Shape());
}

constexpr ShapeRule kRules[] = {
    {"Abs", First},
    {"Acos", First},
    {"Acosh", First},
    {"Add", Arithmetic<Add>},
    {"And", Comparison},
    {"Asin", First},
    {"Asinh", First},
    {"Atan", First},
    {"Atanh", First},
    {"BatchNormalization", BatchNormalization},
    {"Bernoulli", TypedLike},
    {"BitShift", Broadcasting},
    {"BitwiseAnd", Broadcasting},
    {"BitwiseNot", First},
    {"BitwiseOr", Broadcasting},
    {"BitwiseXor", Broadcasting},
    {"Cast", Cast},
    {"CastLike", CastLike},
    {"Ceil", First},
    {"Celu", First},
    {"Clip", First},
    {"Cos", First},
    {"Cosh", First},
    {"CumSum", First},
    {"DequantizeLinear", DequantizeLinear},
    {"Div", Arithmetic<Quotient>},
    {"Dropout", Dropout},
    {"DynamicQuantizeLinear", DynamicQuantizeLinear},
    {"Elu", First},
    {"Equal", Comparison},
    {"Erf", First},
    {"Exp", First},
    {"EyeLike", TypedLike},
    {"Floor", First},
    {"Gelu", First},
    {"Greater", Comparison},
    {"GreaterOrEqual", Comparison},
    {"GroupNormalization", First},
    {"HardSigmoid", First},
    {"HardSwish", First},
    {"Hardmax", First},
    {"Identity", Identity},
    {"InstanceNormalization", First},
    {"IsInf", Bool},
    {"IsNaN", Bool},
    {"LRN", First},
    {"LayerNormalization", LayerNormalization},
    {"LeakyRelu", First},
    {"Less", Comparison},
    {"LessOrEqual", Comparison},
    {"Log", First},
    {"LogSoftmax", First},
    {"LpNormalization", First},
    {"Max", Broadcasting},
    {"Mean", Broadcasting},
    {"MeanVarianceNormalization", First},
    {"Min", Broadcasting},
    {"Mish", First},
    {"Mod", Broadcasting},
    {"Mul", Arithmetic<Multiply>},
    {"Neg", First},
    {"Not", Bool},
    {"Or", Comparison},
    {"PRelu", First},
    {"Pow", Broadcasting},
    {"QuantizeLinear", QuantizeLinear},
    {"RandomNormalLike", TypedLike},
    {"RandomUniformLike", TypedLike},
    {"Reciprocal", First},
    {"Relu", First},
    {"ReverseSequence", First},
    {"Round", First},
    {"ScatterElements", First},
    {"ScatterND", First},
    {"Selu", First},
    {"Shrink", First},
    {"Sigmoid", First},
    {"Sign", First},
    {"Sin", First},
    {"Sinh", First},
    {"Softmax", First},
    {"Softplus", First},
    {"Softsign", First},
    {"Sqrt", First},
    {"Sub", Arithmetic<Subtract>},
    {"Sum", Broadcasting},
    {"Tan", First},
    {"Tanh", First},
    {"ThresholdedRelu", First},
    {"Trilu", First},
    {"Where", Select},
    {"Xor", Comparison},
};

}  // namespace

std::span<const ShapeRule> ElementwiseRules() { return kRules; }

}  // namespace muster::onnx
