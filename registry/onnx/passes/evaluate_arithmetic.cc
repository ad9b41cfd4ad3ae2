#include <algorithm>
#include <cmath>
#include <cstring>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/passes/evaluate.h"

namespace muster::onnx {
namespace {

using Inputs = std::vector<const Tensor*>;
using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

/// The dimensions that a and b broadcast to; nothing where they do not, or one is empty.
std::optional<Ints> CommonDims(Ints a, Ints b) {
  if (a.size() < b.size()) std::swap(a, b);
  const std::size_t offset = a.size() - b.size();
  for (std::size_t d = 0; d < b.size(); ++d) {
    std::int64_t& dim = a[offset + d];
    if (dim != b[d] && dim != 1 && b[d] != 1) return std::nullopt;
    if (dim == 1) dim = b[d];
  }
  return a;
}

std::int64_t Wrapped(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// Two's complement, as the engines compute it; nothing for a division that has no answer.
std::optional<std::int64_t> OfInts(std::string_view op, std::int64_t a, std::int64_t b) {
  const auto x = static_cast<std::uint64_t>(a);
  const auto y = static_cast<std::uint64_t>(b);
  if (op == "Add") return Wrapped(x + y);
  if (op == "Sub") return Wrapped(x - y);
  if (op == "Mul") return Wrapped(x * y);
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  if (op == "And") return a != 0 && b != 0 ? 1 : 0;
  if (op == "Or") return a != 0 || b != 0 ? 1 : 0;
  if (op == "Div" && b != 0 && !(b == -1 && a == INT64_MIN)) return a / b;
  return std::nullopt;
}

std::optional<float> OfFloats(std::string_view op, float a, float b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  return std::nullopt;
}

template <typename T>
std::optional<bool> Compared(std::string_view op, T a, T b) {
  if (op == "Equal") return a == b;
  if (op == "Less") return a < b;
  if (op == "LessOrEqual") return a <= b;
  if (op == "Greater") return a > b;
  if (op == "GreaterOrEqual") return a >= b;
  return std::nullopt;
}

std::optional<Tensor> BinaryInts(std::string_view op, const Tensor& a, const Tensor& b) {
  const auto x = IntsOf(a);
  const auto y = IntsOf(b);
  if (!x || !y) return std::nullopt;
  const bool compares = Compared<std::int64_t>(op, 0, 0).has_value();
  Ints out(x->size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::optional<std::int64_t> value =
        compares ? std::optional<std::int64_t>(*Compared((op), (*x)[i], (*y)[i]) ? 1 : 0)
                 : OfInts(op, (*x)[i], (*y)[i]);
    if (!value) return std::nullopt;
    out[i] = *value;
  }
  return IntTensor("", compares ? DataType::kBool : a.type, a.dims, out);
}

std::optional<Tensor> BinaryFloats(std::string_view op, const Tensor& a, const Tensor& b) {
  const auto x = FloatsOf(a);
  const auto y = FloatsOf(b);
  if (!x || !y) return std::nullopt;
  const bool compares = Compared<float>(op, 0, 0).has_value();
  Ints flags(x->size());
  Floats out(x->size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (compares) {
      flags[i] = *Compared(op, (*x)[i], (*y)[i]) ? 1 : 0;
    } else if (const auto value = OfFloats(op, (*x)[i], (*y)[i])) {
      out[i] = *value;
    } else {
      return std::nullopt;
    }
  }
  return compares ? IntTensor("", DataType::kBool, a.dims, flags) : FloatTensor("", a.dims, out);
}

std::optional<Tensor> Binary(std::string_view op, const Inputs& inputs, std::int64_t max_elements) {
  if (inputs.size() != 2 || inputs[0] == nullptr || inputs[1] == nullptr ||
      inputs[0]->type != inputs[1]->type) {
    return std::nullopt;
  }
  const auto dims = CommonDims(inputs[0]->dims, inputs[1]->dims);
  const auto a = dims ? Expanded(*inputs[0], *dims, max_elements) : std::nullopt;
  const auto b = dims ? Expanded(*inputs[1], *dims, max_elements) : std::nullopt;
  if (!a || !b) return std::nullopt;
  return a->type == DataType::kFloat ? BinaryFloats(op, *a, *b) : BinaryInts(op, *a, *b);
}

std::optional<Tensor> Where(const Inputs& inputs, std::int64_t max_elements) {
  if (inputs.size() != 3 || std::ranges::find(inputs, nullptr) != inputs.end() ||
      inputs[0]->type != DataType::kBool || inputs[1]->type != inputs[2]->type) {
    return std::nullopt;
  }
  auto dims = CommonDims(inputs[1]->dims, inputs[2]->dims);
  if (dims) dims = CommonDims(*dims, inputs[0]->dims);
  if (!dims) return std::nullopt;
  const auto chosen = Expanded(*inputs[0], *dims, max_elements);
  auto out = Expanded(*inputs[1], *dims, max_elements);
  const auto other = Expanded(*inputs[2], *dims, max_elements);
  if (!chosen || !out || !other) return std::nullopt;
  out->name.clear();
  const std::size_t width = DataTypeSize(out->type);
  for (std::size_t i = 0; i < chosen->bytes.size(); ++i) {
    if (chosen->bytes[i] != 0) continue;
    std::memcpy(out->bytes.data() + i * width, other->bytes.data() + i * width, width);
  }
  return out;
}

std::optional<Tensor> Unary(std::string_view op, const Tensor& source) {
  if (const auto floats = FloatsOf(source)) {
    Floats out = *floats;
    for (float& value : out) {
      value = op == "Neg" ? -value : op == "Abs" ? std::fabs(value) : std::sqrt(value);
    }
    return FloatTensor("", source.dims, out);
  }
  const auto ints = IntsOf(source);
  const bool fits = op == "Not" ? source.type == DataType::kBool : op != "Sqrt";
  if (!ints || !fits || source.type == DataType::kUint8) return std::nullopt;
  Ints out = *ints;
  for (std::int64_t& value : out) {
    const std::int64_t negated = Wrapped(0 - static_cast<std::uint64_t>(value));
    value = op == "Not" ? (value == 0 ? 1 : 0) : op == "Neg" || value < 0 ? negated : value;
  }
  return IntTensor("", source.type, source.dims, out);
}

std::optional<Tensor> Cast(const Node& node, const Tensor& source) {
  const auto to = static_cast<DataType>(IntOr(node, "to", 0));
  const auto ints = IntsOf(source);
  const auto floats = FloatsOf(source);
  if (to == DataType::kFloat && ints)
    return FloatTensor("", source.dims, {ints->begin(), ints->end()});
  if (to != DataType::kInt64 && to != DataType::kInt32 && to != DataType::kBool)
    return std::nullopt;
  Ints out = ints.value_or(Ints());
  if (!ints && !floats) return std::nullopt;
  for (std::size_t i = 0; floats && i < floats->size(); ++i) {
    const float value = (*floats)[i];
    // Beyond the whole numbers each engine answers what it likes.
    if (to != DataType::kBool && !(std::fabs(value) < 2147483648.0f)) return std::nullopt;
    out.push_back(to == DataType::kBool ? (value != 0 ? 1 : 0) : static_cast<std::int64_t>(value));
  }
  if (to == DataType::kBool) {
    for (std::int64_t& value : out) value = value != 0 ? 1 : 0;
  }
  return IntTensor("", to, source.dims, out);
}

std::optional<Tensor> ConstantOfShape(const Node& node, const Tensor& shape,
                                      std::int64_t max_elements) {
  const auto dims = IntsOf(shape);
  if (!dims) return std::nullopt;
  const Tensor zero = FloatTensor("", {}, {0.0f});
  const auto* given = FindValue<Tensor>(node, "value");
  if (given != nullptr && (given->elements() != 1 || !IsWhole(*given))) return std::nullopt;
  Tensor value = given == nullptr ? zero : *given;
  value.dims.clear();
  return Expanded(value, *dims, max_elements);
}

std::optional<Tensor> Range(const Inputs& inputs, std::int64_t max_elements) {
  Ints bounds;
  for (const Tensor* input : inputs) {
    const auto ints = input == nullptr ? std::nullopt : IntsOf(*input);
    if (!ints || ints->size() != 1 || input->type != DataType::kInt64) return std::nullopt;
    bounds.push_back(ints->front());
  }
  if (bounds.size() != 3 || bounds[2] == 0) return std::nullopt;
  Ints out;
  for (std::int64_t at = bounds[0]; bounds[2] > 0 ? at < bounds[1] : at > bounds[1];) {
    if (static_cast<std::int64_t>(out.size()) == max_elements) return std::nullopt;
    out.push_back(at);
    if (__builtin_add_overflow(at, bounds[2], &at)) return std::nullopt;
  }
  return IntTensor("", DataType::kInt64, {static_cast<std::int64_t>(out.size())}, out);
}

}  // namespace

std::optional<Tensor> EvaluateArithmetic(const Node& node, const Inputs& inputs,
                                         std::int64_t max_elements) {
  if (inputs.empty() || inputs[0] == nullptr || inputs[0]->elements() > max_elements)
    return std::nullopt;
  const std::string_view op = node.op_type;
  if (op == "Where") return Where(inputs, max_elements);
  if (op == "Range") return Range(inputs, max_elements);
  if (op == "ConstantOfShape") return ConstantOfShape(node, *inputs[0], max_elements);
  if (op == "Cast") return Cast(node, *inputs[0]);
  if (op == "Neg" || op == "Abs" || op == "Sqrt" || op == "Not") return Unary(op, *inputs[0]);
  return Binary(op, inputs, max_elements);
}

}  // namespace muster::onnx
