#include "trainer/export/fold.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/enum_tag.h>

#include <exception>

namespace muster::exporting {
namespace {

c10::IValue ToIValue(const Program& program, std::size_t id, const c10::TypePtr& type);

c10::IValue ListIValue(const Program& program, const List& items, const c10::TypePtr& type) {
  const auto list_type = type->cast<c10::ListType>();
  const c10::TypePtr element = list_type ? list_type->getElementType() : c10::TensorType::get();
  c10::impl::GenericList list(element);
  for (const std::size_t item : items) list.push_back(ToIValue(program, item, element));
  return list;
}

c10::IValue ToIValue(const Program& program, std::size_t id, const c10::TypePtr& type) {
  const Value& value = program.values[id];
  if (const auto* items = std::get_if<List>(&value.held)) return ListIValue(program, *items, type);
  if (const auto* known = std::get_if<Known>(&value.held)) return known->tensor;
  if (const auto* number = std::get_if<Polynomial>(&value.held)) return number->offset;
  if (const auto* number = std::get_if<double>(&value.held)) return *number;
  if (const auto* flag = std::get_if<bool>(&value.held)) return *flag;
  if (const auto* text = std::get_if<std::string>(&value.held)) return *text;
  return c10::IValue();
}

}  // namespace

Value KnownValue(const at::Tensor& tensor, const std::string& origin) {
  TensorType type{tensor.scalar_type(), {}};
  for (const std::int64_t size : tensor.sizes()) type.shape.emplace_back(size);
  return Value{Known{tensor, "", false, origin}, std::move(type)};
}

void ForEachLeaf(const Program& program, std::size_t id,
                 const std::function<void(std::size_t)>& visit) {
  const auto* items = std::get_if<List>(&program.values[id].held);
  if (items == nullptr) return visit(id);
  for (const std::size_t item : *items) ForEachLeaf(program, item, visit);
}

bool KnownNow(const Program& program, const List& inputs) {
  bool known = true;
  for (const std::size_t input : inputs) {
    ForEachLeaf(program, input, [&](std::size_t id) {
      const Value& value = program.values[id];
      if (std::holds_alternative<Computed>(value.held)) known = false;
      if (const auto* number = std::get_if<Polynomial>(&value.held))
        known = known && number->fixed();
    });
  }
  return known;
}

std::string OriginOf(const Program& program, const List& inputs) {
  std::string origin;
  for (const std::size_t input : inputs) {
    ForEachLeaf(program, input, [&](std::size_t id) {
      const auto* known = std::get_if<Known>(&program.values[id].held);
      if (known != nullptr && origin.empty()) origin = known->origin;
    });
  }
  return origin;
}

bool IsRandom(const c10::FunctionSchema& schema) {
  const auto found = c10::Dispatcher::singleton().findSchema(schema.operator_name());
  return found && found->hasTag(at::Tag::nondeterministic_seeded);
}

Result<std::vector<c10::IValue>> ComputeNow(const Program& program,
                                            const c10::FunctionSchema& schema, const List& inputs,
                                            bool copy_first) {
  std::vector<c10::IValue> stack;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    stack.push_back(ToIValue(program, inputs[i], schema.arguments()[i].type()));
  }
  try {
    if (copy_first) stack[0] = stack[0].toTensor().clone();
    c10::Dispatcher::singleton()
        .findSchemaOrThrow(schema.name().c_str(), schema.overload_name().c_str())
        .callBoxed(stack);
  } catch (const std::exception& error) {
    return Internal(schema.name() + " failed on constants: " + error.what());
  }
  return stack;
}

}  // namespace muster::exporting
