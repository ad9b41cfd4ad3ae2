#include "registry/onnx/compress/element_types.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "registry/onnx/attributes.h"
#include "registry/onnx/compress/layers.h"

namespace muster::onnx::compress {
namespace {

using Types = std::unordered_map<std::string, DataType>;

template <std::size_t N>
bool IsOneOf(std::string_view op, const std::array<std::string_view, N>& list) {
  return std::ranges::find(list, op) != list.end();
}

constexpr std::array<std::string_view, 6> kIndices{"ArgMax",  "ArgMin",         "NonMaxSuppression",
                                                   "NonZero", "SequenceLength", "Shape"};
constexpr std::array<std::string_view, 12> kBools{
    "And",         "Equal", "Greater", "GreaterOrEqual",     "IsInf", "IsNaN", "Less",
    "LessOrEqual", "Not",   "Or",      "OptionalHasElement", "Xor"};
constexpr std::array<std::string_view, 2> kIntegerSums{"ConvInteger", "MatMulInteger"};
/// Their `dtype` attribute, float without one.
constexpr std::array<std::string_view, 4> kByAttribute{"Multinomial", "RandomNormal",
                                                       "RandomUniform", "SequenceEmpty"};

DataType TypeOf(const Types& types, const Node& node, std::size_t input) {
  if (!Has(node, input)) return DataType::kUndefined;
  const auto found = types.find(node.inputs[input]);
  return found == types.end() ? DataType::kUndefined : found->second;
}

DataType ConstantType(const Node& node) {
  for (const Attribute& attribute : node.attributes) {
    if (const auto* tensor = std::get_if<Tensor>(&attribute.value)) return tensor->type;
    if (attribute.name.starts_with("value_int")) return DataType::kInt64;
  }
  return DataType::kFloat;
}

/// Which input's type the first output has.
std::size_t TypedInput(std::string_view op) {
  if (op == "Where" || op == "DequantizeLinear") return 1;
  return op == "OneHot" ? 2 : 0;
}

DataType OutputType(const Types& types, const Node& node, std::size_t output) {
  const std::string_view op = node.op_type;
  if (!node.domain.empty()) return DataType::kUndefined;
  if (IsOneOf(op, kIndices) || op == "Size") return DataType::kInt64;
  if (IsOneOf(op, kBools)) return DataType::kBool;
  if (IsOneOf(op, kIntegerSums)) return DataType::kInt32;
  if (op == "Constant" || op == "ConstantOfShape") return ConstantType(node);
  if (op == "Cast") {
    return static_cast<DataType>(IntOr(node, "to", 0));
  }
  if (op == "QuantizeLinear") {
    const DataType zero = TypeOf(types, node, 2);
    return zero == DataType::kUndefined ? DataType::kUint8 : zero;
  }
  if (op == "DynamicQuantizeLinear") return output == 1 ? DataType::kFloat : DataType::kUint8;
  if (IsOneOf(op, kByAttribute)) {
    return static_cast<DataType>(IntOr(node, "dtype", op == "Multinomial" ? 6 : 1));
  }
  if (output > 0 && (op == "TopK" || op == "MaxPool" || op == "Unique")) return DataType::kInt64;
  if (output > 0 && op == "Dropout") return DataType::kBool;
  if (output > 0 && op == "LayerNormalization") return DataType::kFloat;
  return TypeOf(types, node, TypedInput(op));
}

}  // namespace

std::unordered_map<std::string, DataType> ElementTypes(const Graph& graph) {
  Types types;
  for (const ValueInfo& input : graph.inputs) types[input.name] = input.type;
  for (const Tensor& tensor : graph.initializers) types[tensor.name] = tensor.type;
  for (const Node& node : graph.nodes) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      types[node.outputs[i]] = OutputType(types, node, i);
    }
  }
  for (const ValueInfo& value : graph.value_info) {
    DataType& type = types[value.name];
    if (type == DataType::kUndefined) type = value.type;
  }
  return types;
}

}  // namespace muster::onnx::compress
