#include "trainer/export/builder.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace muster::exporting {
namespace {

constexpr std::size_t kBorrowedMin = 1024;  ///< smaller tensors are copied: an owner costs more

}  // namespace
onnx::DataType OnnxType(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return onnx::DataType::kFloat;
    case at::kDouble:
      return onnx::DataType::kDouble;
    case at::kHalf:
      return onnx::DataType::kFloat16;
    case at::kBFloat16:
      return onnx::DataType::kBfloat16;
    case at::kByte:
      return onnx::DataType::kUint8;
    case at::kChar:
      return onnx::DataType::kInt8;
    case at::kShort:
      return onnx::DataType::kInt16;
    case at::kInt:
      return onnx::DataType::kInt32;
    case at::kLong:
      return onnx::DataType::kInt64;
    case at::kBool:
      return onnx::DataType::kBool;
    default:
      return onnx::DataType::kUndefined;
  }
}

onnx::Tensor OnnxTensor(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  onnx::Tensor out{.name = name, .type = OnnxType(plain.scalar_type())};
  out.dims = plain.sizes().vec();
  const std::string_view bytes(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
  if (bytes.size() < kBorrowedMin) {
    out.bytes = std::string(bytes);
  } else {
    out.bytes = onnx::TensorBytes::Borrow(bytes, std::make_shared<at::Tensor>(plain));
  }
  return out;
}

GraphBuilder::GraphBuilder(std::string graph_name, Symbols symbols) : symbols_(std::move(symbols)) {
  graph_.name = std::move(graph_name);
}

std::string GraphBuilder::Unique(const std::string& wanted) {
  std::string name = wanted;
  for (int n = 2; !names_.insert(name).second; ++n) name = wanted + "_" + std::to_string(n);
  return name;
}

onnx::ValueInfo GraphBuilder::Info(const std::string& name, const TensorType& type) const {
  onnx::ValueInfo info{.name = name, .type = OnnxType(type.dtype)};
  for (const Polynomial& dim : type.shape) {
    info.shape.push_back(dim.fixed() ? onnx::Dim::Of(dim.offset)
                                     : onnx::Dim::Of(Text(dim, symbols_)));
  }
  return info;
}

void GraphBuilder::Input(const std::string& name, const TensorType& type) {
  names_.insert(name);
  graph_.inputs.push_back(Info(name, type));
}

std::vector<std::string> GraphBuilder::Node(const std::string& op, std::vector<std::string> inputs,
                                            Attributes attributes, int outputs) {
  const std::string name = Unique(scope_.empty() ? op : scope_ + "/" + op);
  onnx::Node node{.name = name, .op_type = op, .inputs = std::move(inputs)};
  node.outputs.push_back(name);
  for (int i = 1; i < outputs; ++i) node.outputs.push_back(Unique(name + "." + std::to_string(i)));
  node.attributes = std::move(attributes);
  graph_.nodes.push_back(node);
  return node.outputs;
}

std::string GraphBuilder::State(const std::string& name, const at::Tensor& tensor) {
  auto [entry, is_new] = states_.try_emplace(name);
  if (is_new) {
    entry->second = Unique(name);  // an input may have a parameter's name
    graph_.initializers.push_back(OnnxTensor(entry->second, tensor));
  }
  return entry->second;
}

std::string GraphBuilder::Constant(const at::Tensor& tensor, const std::string& hint) {
  const std::string name = Unique(hint);
  graph_.initializers.push_back(OnnxTensor(name, tensor));
  return name;
}

std::string GraphBuilder::Scalar(double value, at::ScalarType type) {
  const at::Tensor tensor = at::scalar_tensor(value, at::TensorOptions(type));
  const onnx::Tensor plain = OnnxTensor("", tensor);
  const std::string key = std::to_string(static_cast<int>(plain.type)) + std::string(plain.bytes);
  auto [entry, is_new] = scalars_.try_emplace(key);
  if (is_new) entry->second = Constant(tensor, "scalar");
  return entry->second;
}

std::string GraphBuilder::Int64(std::int64_t value) {
  const at::Tensor tensor = at::scalar_tensor(value, at::TensorOptions(at::kLong));
  auto [entry, is_new] = scalars_.try_emplace("int64 " + std::to_string(value));
  if (is_new) entry->second = Constant(tensor, "scalar");
  return entry->second;
}

std::string GraphBuilder::Int64s(const std::vector<std::int64_t>& values) {
  auto [entry, is_new] = lists_.try_emplace(values);
  if (is_new) {
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
    std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<std::int64_t>());
    entry->second = Constant(tensor, "ints");
  }
  return entry->second;
}

std::string GraphBuilder::Product(SymbolSet symbols) {
  auto [entry, is_new] = products_.try_emplace(symbols);
  if (!is_new) return entry->second;
  std::string product;
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    const SymbolSet bit = SymbolSet{1} << i;
    if ((symbols & bit) == 0) continue;
    if (symbols != bit) {
      const std::string factor = Product(bit);
      product = product.empty() ? factor : Node("Mul", {product, factor});
      continue;
    }
    const auto& [input, dimension] = symbols_[i].axes[0];
    product = Node("Gather", {Node("Shape", {graph_.inputs[input].name}), Int64s({dimension})},
                   {{"axis", std::int64_t{0}}});
    if (symbols_[i].multiple != 1) product = Node("Div", {product, Int64s({symbols_[i].multiple})});
  }
  return products_[symbols] = product;
}

std::string GraphBuilder::Computed(const Polynomial& number) {
  if (number.fixed()) return Int64s({number.offset});
  const auto known = numbers_.find(number);
  if (known != numbers_.end()) return known->second;
  std::string sum;
  for (const auto& [symbols, coefficient] : number.terms) {
    std::string term = Product(symbols);
    if (coefficient != 1) term = Node("Mul", {term, Int64s({coefficient})});
    sum = sum.empty() ? term : Node("Add", {sum, term});
  }
  if (number.offset != 0) sum = Node("Add", {sum, Int64s({number.offset})});
  return numbers_[number] = sum;
}

std::string GraphBuilder::Shape(const std::vector<Polynomial>& numbers) {
  const bool fixed =
      std::all_of(numbers.begin(), numbers.end(), [](const Polynomial& n) { return n.fixed(); });
  if (fixed) {
    std::vector<std::int64_t> values;
    for (const Polynomial& number : numbers) values.push_back(number.offset);
    return Int64s(values);
  }
  std::vector<std::string> parts;
  for (const Polynomial& number : numbers) parts.push_back(Computed(number));
  return parts.size() == 1 ? parts[0] : Node("Concat", parts, {{"axis", std::int64_t{0}}});
}

std::string GraphBuilder::Number(const Polynomial& number) {
  if (number.fixed()) return Int64(number.offset);
  return Node("Squeeze", {Computed(number), Int64s({0})});
}

void GraphBuilder::Describe(const std::string& value, const TensorType& type) {
  graph_.value_info.push_back(Info(value, type));
}

void GraphBuilder::Output(const std::string& name, const std::string& value,
                          const TensorType& type) {
  // An Identity, so that inputs, constants and values that are two outputs need no second case;
  // Take() removes it where a node can make the output itself.
  names_.insert(name);
  graph_.nodes.push_back({.name = Unique(name + "/Identity"),
                          .op_type = "Identity",
                          .inputs = {value},
                          .outputs = {name}});
  graph_.outputs.push_back(Info(name, type));
}

void GraphBuilder::RenameOutputs() {
  const std::size_t first = graph_.nodes.size() - graph_.outputs.size();
  std::map<std::string, std::string> names;
  std::vector<onnx::Node> kept;
  for (std::size_t i = first; i < graph_.nodes.size(); ++i) {
    onnx::Node& identity = graph_.nodes[i];
    const auto made = std::any_of(graph_.nodes.begin(), graph_.nodes.begin() + first, [&](auto& n) {
      return std::find(n.outputs.begin(), n.outputs.end(), identity.inputs[0]) != n.outputs.end();
    });
    if (made && names.try_emplace(identity.inputs[0], identity.outputs[0]).second) continue;
    kept.push_back(std::move(identity));
  }
  graph_.nodes.resize(first);
  std::move(kept.begin(), kept.end(), std::back_inserter(graph_.nodes));
  const auto rename = [&](std::string& value) {
    const auto found = names.find(value);
    if (found != names.end()) value = found->second;
  };
  for (onnx::Node& node : graph_.nodes) {
    std::for_each(node.inputs.begin(), node.inputs.end(), rename);
    std::for_each(node.outputs.begin(), node.outputs.end(), rename);
  }
}

onnx::Graph GraphBuilder::Take() {
  RenameOutputs();
  return std::move(graph_);
}

}  // namespace muster::exporting
