#include "trainer/export/call.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <numeric>

namespace muster::exporting {
namespace {

const Value kNothing{None{}, {}};
const TensorType kNoType{};

}  // namespace

const std::size_t* Call::Find(std::string_view name) const {
  for (std::size_t i = 0; i < operation_.arguments.size(); ++i) {
    if (operation_.arguments[i] == name) return &operation_.inputs[i];
  }
  return nullptr;
}

const Value& Call::At(std::string_view name) {
  const std::size_t* id = Find(name);
  return id == nullptr ? kNothing : program_.values[*id];
}

void Call::Fail(const std::string& why) {
  if (!status_.ok()) return;
  const std::string module =
      operation_.module.empty() ? "" : " (in module '" + operation_.module + "')";
  status_ = Unsupported(operation_.traced + module + ": " + why);
}

bool Call::Has(std::string_view name) const {
  const std::size_t* id = Find(name);
  return id != nullptr && !std::holds_alternative<None>(program_.values[*id].held);
}

bool Call::IsTensor(std::string_view name) const {
  const std::size_t* id = Find(name);
  return id != nullptr && program_.values[*id].is_tensor();
}

std::string Call::ValueName(std::size_t id) {
  if (!names_[id].empty()) return names_[id];
  const auto* known = std::get_if<Known>(&program_.values[id].held);
  if (known == nullptr) {
    Fail("an argument is not a tensor that the model computes");
    return "";
  }
  if (OnnxType(known->tensor.scalar_type()) == onnx::DataType::kUndefined) {
    Fail(std::string("ONNX has no element type like ") +
         c10::toString(known->tensor.scalar_type()));
    return "";
  }
  std::string value;
  if (known->transposed) {
    value =
        Node("Transpose", {graph_.State(known->state, known->tensor.t())}, {{"perm", Ints{1, 0}}});
  } else if (!known->state.empty()) {
    value = graph_.State(known->state, known->tensor);
  } else {
    value = graph_.Constant(known->tensor,
                            known->origin.empty() ? "constant" : known->origin + "/constant");
  }
  return names_[id] = value;
}

std::string Call::In(std::string_view name) {
  const std::size_t* id = Find(name);
  if (id == nullptr || !program_.values[*id].is_tensor()) {
    Fail("argument '" + std::string(name) + "' is not a tensor");
    return "";
  }
  return ValueName(*id);
}

std::string Call::Converted(std::size_t id, at::ScalarType type) {
  const Value& value = program_.values[id];
  if (value.is_tensor()) return Cast(ValueName(id), value.type.dtype, type);
  if (const auto* real = std::get_if<double>(&value.held)) return graph_.Scalar(*real, type);
  if (const auto* flag = std::get_if<bool>(&value.held)) return graph_.Scalar(*flag ? 1 : 0, type);
  if (const auto* number = std::get_if<Polynomial>(&value.held)) {
    if (number->fixed() && type == at::kLong) return graph_.Int64(number->offset);
    if (number->fixed()) return graph_.Scalar(static_cast<double>(number->offset), type);
    return Cast(graph_.Number(*number), at::kLong, type);
  }
  Fail("an argument is neither a tensor nor a number");
  return "";
}

std::string Call::In(std::string_view name, at::ScalarType type) {
  const std::size_t* id = Find(name);
  if (id != nullptr) return Converted(*id, type);
  Fail("argument '" + std::string(name) + "' is missing");
  return "";
}

std::vector<std::string> Call::InList(std::string_view name, at::ScalarType type) {
  std::vector<std::string> values;
  if (const auto* items = std::get_if<List>(&At(name).held)) {
    for (const std::size_t item : *items) values.push_back(Converted(item, type));
  } else {
    Fail("argument '" + std::string(name) + "' is not a list");
  }
  return values;
}

std::vector<std::string> Call::OptionalList(std::string_view name) {
  std::vector<std::string> values;
  if (const auto* items = std::get_if<List>(&At(name).held)) {
    for (const std::size_t item : *items) {
      const Value& value = program_.values[item];
      values.push_back(value.is_tensor() ? ValueName(item) : "");
    }
  }
  return values;
}

std::vector<const TensorType*> Call::ListTypes(std::string_view name) {
  std::vector<const TensorType*> types;
  if (const auto* items = std::get_if<List>(&At(name).held)) {
    for (const std::size_t item : *items) types.push_back(&program_.values[item].type);
  }
  return types;
}

std::pair<std::string, bool> Call::Matrix(std::string_view name) {
  const auto* known = std::get_if<Known>(&At(name).held);
  if (known != nullptr && known->transposed) {
    return {graph_.State(known->state, known->tensor.t()), true};
  }
  return {In(name), false};
}

at::Tensor Call::Constant(std::string_view name) {
  const auto* known = std::get_if<Known>(&At(name).held);
  return known == nullptr ? at::Tensor() : known->tensor;
}

std::vector<at::Tensor> Call::Constants(std::string_view name) {
  std::vector<at::Tensor> tensors;
  if (const auto* items = std::get_if<List>(&At(name).held)) {
    for (const std::size_t item : *items) {
      const auto* known = std::get_if<Known>(&program_.values[item].held);
      tensors.push_back(known == nullptr ? at::Tensor() : known->tensor);
    }
  }
  return tensors;
}

std::int64_t Call::RangeStep(std::string_view name) {
  const std::size_t* id = Find(name);
  if (id == nullptr) return 0;
  if (const auto* known = std::get_if<Known>(&program_.values[*id].held)) {
    const at::Tensor& tensor = known->tensor;
    if (tensor.dim() != 1 || tensor.numel() < 2 || !at::isIntegralType(tensor.scalar_type(), false))
      return 0;
    const auto step = tensor[1].item<std::int64_t>();
    const bool even =
        step > 0 && at::equal(tensor, at::mul(at::arange(tensor.numel(), tensor.options()), step));
    return even ? step : 0;
  }
  const auto range = std::ranges::find_if(program_.operations, [&](const Operation& operation) {
    return operation.op == "arange" &&
           std::ranges::find(operation.outputs, *id) != operation.outputs.end();
  });
  if (range == program_.operations.end()) return 0;
  Call call(program_, *range, names_, graph_);
  const Polynomial start = call.Has("start") ? call.Number("start") : Polynomial(0);
  const Polynomial step = call.Has("step") ? call.Number("step") : Polynomial(1);
  return call.status().ok() && start == 0 && step.fixed() ? step.offset : 0;
}

const TensorType& Call::Type(std::string_view name) {
  const Value& value = At(name);
  if (value.is_tensor()) return value.type;
  Fail("argument '" + std::string(name) + "' is not a tensor");
  return kNoType;
}

at::Tensor Call::Like(std::string_view name) {
  const Value& value = At(name);
  if (value.is_tensor()) {
    return at::empty(value.type.rank() == 0 ? Ints{} : Ints{0}, value.type.dtype);
  }
  const bool real = std::holds_alternative<double>(value.held);
  const bool flag = std::holds_alternative<bool>(value.held);
  at::Tensor number = at::zeros({}, real ? at::kDouble : flag ? at::kBool : at::kLong);
  number.unsafeGetTensorImpl()->set_wrapped_number(true);
  return number;
}

at::ScalarType Call::Promoted(std::string_view left, std::string_view right) {
  return at::result_type(Like(left), Like(right));
}

Polynomial Call::NumberOf(const Value& value, std::string_view name) {
  if (const auto* number = std::get_if<Polynomial>(&value.held)) return *number;
  if (const auto* flag = std::get_if<bool>(&value.held)) return *flag ? 1 : 0;
  Fail("argument '" + std::string(name) + "' is not an integer");
  return {};
}

Polynomial Call::Number(std::string_view name) { return NumberOf(At(name), name); }

std::int64_t Call::Int(std::string_view name) {
  const Polynomial number = Number(name);
  FailUnless(number.fixed(), "argument '" + std::string(name) + "' depends on the batch");
  return number.offset;
}

std::int64_t Call::IntOr(std::string_view name, std::int64_t otherwise) {
  return Has(name) ? Int(name) : otherwise;
}

double Call::Real(std::string_view name) {
  const Value& value = At(name);
  if (const auto* real = std::get_if<double>(&value.held)) return *real;
  return static_cast<double>(Int(name));
}

std::vector<double> Call::Reals(std::string_view name) {
  std::vector<double> reals;
  if (const auto* items = std::get_if<List>(&At(name).held)) {
    for (const std::size_t item : *items) {
      const auto* real = std::get_if<double>(&program_.values[item].held);
      FailUnless(real != nullptr, "argument '" + std::string(name) + "' is not all numbers");
      reals.push_back(real == nullptr ? 1 : *real);
    }
  }
  return reals;
}

double Call::RealOr(std::string_view name, double otherwise) {
  return Has(name) ? Real(name) : otherwise;
}

bool Call::Flag(std::string_view name) {
  const auto* flag = std::get_if<bool>(&At(name).held);
  return flag != nullptr && *flag;
}

std::string Call::Text(std::string_view name) {
  const auto* text = std::get_if<std::string>(&At(name).held);
  return text == nullptr ? "" : *text;
}

Shape Call::Numbers(std::string_view name) {
  const Value& value = At(name);
  const auto* items = std::get_if<List>(&value.held);
  if (items == nullptr) return {NumberOf(value, name)};
  Shape numbers;
  for (const std::size_t item : *items) {
    numbers.push_back(NumberOf(program_.values[item], name));
  }
  return numbers;
}

Ints Call::IntList(std::string_view name) {
  Ints values;
  for (const Polynomial& number : Numbers(name)) {
    FailUnless(number.fixed(), "argument '" + std::string(name) + "' depends on the batch");
    values.push_back(number.offset);
  }
  return values;
}

Ints Call::IntList(std::string_view name, std::size_t count) {
  Ints values = IntList(name);
  if (values.size() == 1) values.resize(count, values[0]);
  FailUnless(values.size() == count, "argument '" + std::string(name) + "' has " +
                                         std::to_string(values.size()) + " numbers, wanted " +
                                         std::to_string(count));
  values.resize(count);
  return values;
}

std::int64_t Call::Axis(std::string_view name, std::int64_t rank) {
  const std::int64_t axis = Int(name);
  return axis < 0 ? axis + rank : axis;
}

Ints Call::Axes(std::string_view name, std::int64_t rank) {
  Ints axes = Has(name) ? IntList(name) : Ints{};
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + rank : axis;
  if (axes.empty()) {
    for (std::int64_t axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  return axes;
}

const TensorType& Call::Out(std::size_t i) {
  return i < operation_.outputs.size() ? program_.values[operation_.outputs[i]].type : kNoType;
}

void Call::Return(std::size_t i, const std::string& value) {
  if (i >= operation_.outputs.size() || !status_.ok()) return;
  names_[operation_.outputs[i]] = value;
  graph_.Describe(value, Out(i));
}

std::string Call::Cast(const std::string& value, at::ScalarType from, at::ScalarType to) {
  if (from == to) return value;
  const onnx::DataType type = OnnxType(to);
  FailUnless(type != onnx::DataType::kUndefined,
             std::string("ONNX has no element type like ") + c10::toString(to));
  return Node("Cast", {value}, {{"to", static_cast<std::int64_t>(type)}});
}

std::string Call::Reshape(const std::string& value, const Shape& from, const Shape& to) {
  if (from == to) return value;
  const auto moving =
      std::count_if(to.begin(), to.end(), [](const Polynomial& n) { return !n.fixed(); });
  if (moving != 1) return Node("Reshape", {value, graph_.Shape(to)});
  // One dimension that depends on the batch can be left for the engine to work out.
  Ints shape;
  for (const Polynomial& dim : to) shape.push_back(dim.fixed() ? dim.offset : -1);
  return Node("Reshape", {value, graph_.Int64s(shape)});
}

std::string Call::Expand(const std::string& value, const Shape& from, const Shape& to) {
  return from == to ? value : Node("Expand", {value, graph_.Shape(to)});
}

std::string Call::Transpose(const std::string& value, const Ints& order) {
  return std::ranges::is_sorted(order) ? value : Node("Transpose", {value}, {{"perm", order}});
}

std::string Call::Unsqueeze(const std::string& value, const Ints& axes) {
  return axes.empty() ? value : Node("Unsqueeze", {value, graph_.Int64s(axes)});
}

std::string Call::Squeeze(const std::string& value, const Ints& axes) {
  return axes.empty() ? value : Node("Squeeze", {value, graph_.Int64s(axes)});
}

std::string Call::Slice(const std::string& value, std::int64_t axis, const Polynomial& begin,
                        const Polynomial& end) {
  return Node("Slice", {value, graph_.Shape({begin}), graph_.Shape({end}), graph_.Int64s({axis})});
}

std::string Call::Concat(std::vector<std::string> values, std::int64_t axis) {
  return values.size() == 1 ? values[0] : Node("Concat", std::move(values), {{"axis", axis}});
}

Ints Counted(std::int64_t count) {
  Ints numbers(count < 0 ? 0 : count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace muster::exporting
