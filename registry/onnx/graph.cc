#include "registry/onnx/graph.h"

#include <algorithm>

namespace muster::onnx {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    text += word.empty() ? "-" : word;
  }
  return text;
}

std::string DimText(const Dim& dim) {
  if (dim.size >= 0) return std::to_string(dim.size);
  return dim.symbol.empty() ? "?" : dim.symbol;
}

std::string ShapeText(const std::vector<Dim>& shape) {
  std::vector<std::string> dims(shape.size());
  std::transform(shape.begin(), shape.end(), dims.begin(), DimText);
  return "[" + Joined(dims) + "]";
}

template <typename T>
std::string ListText(const std::vector<T>& values) {
  std::vector<std::string> words;
  words.reserve(values.size());
  for (const T& value : values) words.push_back(std::to_string(value));
  return "[" + Joined(words) + "]";
}

struct AttributeText {
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(float value) const { return std::to_string(value); }
  std::string operator()(const std::string& value) const { return '"' + value + '"'; }
  std::string operator()(const Tensor& value) const {
    return std::string(DataTypeName(value.type)) + ListText(value.dims);
  }
  std::string operator()(const std::vector<std::int64_t>& values) const { return ListText(values); }
  std::string operator()(const std::vector<float>& values) const { return ListText(values); }
  std::string operator()(const std::vector<std::string>& values) const {
    return "[" + Joined(values) + "]";
  }
};

std::string NodeText(const Node& node) {
  std::string text = Joined(node.outputs) + " = " + node.op_type + "(" + Joined(node.inputs) + ")";
  for (const Attribute& attribute : node.attributes) {
    text += " " + attribute.name + "=" + std::visit(AttributeText{}, attribute.value);
  }
  return text;
}

}  // namespace

std::string_view DataTypeName(DataType type) {
  switch (type) {
    case DataType::kUndefined:
      return "undefined";
    case DataType::kFloat:
      return "float";
    case DataType::kUint8:
      return "uint8";
    case DataType::kInt8:
      return "int8";
    case DataType::kUint16:
      return "uint16";
    case DataType::kInt16:
      return "int16";
    case DataType::kInt32:
      return "int32";
    case DataType::kInt64:
      return "int64";
    case DataType::kString:
      return "string";
    case DataType::kBool:
      return "bool";
    case DataType::kFloat16:
      return "float16";
    case DataType::kDouble:
      return "double";
    case DataType::kUint32:
      return "uint32";
    case DataType::kUint64:
      return "uint64";
    case DataType::kComplex64:
      return "complex64";
    case DataType::kComplex128:
      return "complex128";
    case DataType::kBfloat16:
      return "bfloat16";
  }
  return "undefined";
}

std::size_t DataTypeSize(DataType type) {
  switch (type) {
    case DataType::kUndefined:
    case DataType::kString:
      return 0;
    case DataType::kUint8:
    case DataType::kInt8:
    case DataType::kBool:
      return 1;
    case DataType::kUint16:
    case DataType::kInt16:
    case DataType::kFloat16:
    case DataType::kBfloat16:
      return 2;
    case DataType::kFloat:
    case DataType::kInt32:
    case DataType::kUint32:
      return 4;
    case DataType::kInt64:
    case DataType::kDouble:
    case DataType::kUint64:
    case DataType::kComplex64:
      return 8;
    case DataType::kComplex128:
      return 16;
  }
  return 0;
}

std::int64_t Tensor::elements() const {
  // Dimensions of a file read may be anything: a product that does not fit answers -1.
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) return -1;
  }
  return product;
}

std::string TypeText(const ValueInfo& value) {
  const std::string type(DataTypeName(value.type));
  return value.has_shape ? type + ShapeText(value.shape) : type + "[...]";
}

std::string Describe(const Model& model) {
  const Graph& graph = model.graph;
  std::string text = "model " + graph.name + " (IR " + std::to_string(model.ir_version);
  for (const auto& [domain, version] : model.opsets) {
    text += ", " + (domain.empty() ? "opset" : domain) + " " + std::to_string(version);
  }
  text += ")";
  if (!model.producer_name.empty()) {
    text += " by " + model.producer_name + " " + model.producer_version;
  }
  for (const ValueInfo& input : graph.inputs)
    text += "\ninput  " + input.name + " " + TypeText(input);
  for (const ValueInfo& output : graph.outputs) {
    text += "\noutput " + output.name + " " + TypeText(output);
  }
  std::int64_t parameters = 0;
  std::size_t bytes = 0;
  for (const Tensor& tensor : graph.initializers) {
    parameters += std::max<std::int64_t>(tensor.elements(), 0);
    bytes += tensor.bytes.size();
  }
  text += "\nconstants " + std::to_string(graph.initializers.size()) + " (" +
          std::to_string(parameters) + " elements, " + std::to_string(bytes) + " bytes)";
  std::map<std::string, int> counts;
  for (const Node& node : graph.nodes) ++counts[node.op_type];
  text += "\nnodes " + std::to_string(graph.nodes.size());
  for (const auto& [op, count] : counts) text += " " + op + "x" + std::to_string(count);
  for (const Node& node : graph.nodes) text += "\n  " + NodeText(node);
  return text + "\n";
}

}  // namespace muster::onnx
