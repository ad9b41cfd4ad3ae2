#include "registry/inference_engine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/base/check.h"

namespace muster::registry {

namespace {

struct TypeRow {
  ElementType type;
  std::string_view name;
  std::size_t size;
};
constexpr std::array kTypes{
    TypeRow{ElementType::kF32, "FP32", 4},   TypeRow{ElementType::kF64, "FP64", 8},
    TypeRow{ElementType::kF16, "FP16", 2},   TypeRow{ElementType::kBf16, "BF16", 2},
    TypeRow{ElementType::kI8, "INT8", 1},    TypeRow{ElementType::kI16, "INT16", 2},
    TypeRow{ElementType::kI32, "INT32", 4},  TypeRow{ElementType::kI64, "INT64", 8},
    TypeRow{ElementType::kU8, "UINT8", 1},   TypeRow{ElementType::kU16, "UINT16", 2},
    TypeRow{ElementType::kU32, "UINT32", 4}, TypeRow{ElementType::kU64, "UINT64", 8},
    TypeRow{ElementType::kBool, "BOOL", 1}};

const TypeRow& RowOf(ElementType type) {
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const TypeRow& candidate) { return candidate.type == type; });
  MUSTER_CHECK(row != kTypes.end(), "every element type has a row");
  return *row;
}

Status CheckInput(const TensorSpec& spec, const Tensor& input) {
  if (input.type != spec.type) {
    return Invalid("input '" + spec.name + "' is " + std::string(ElementTypeName(input.type)) +
                   ", the model wants " + std::string(ElementTypeName(spec.type)));
  }
  if (!ShapeFits(input.shape, spec.shape)) {
    return Invalid("input '" + spec.name + "' has shape " + ShapeText(input.shape) +
                   ", the model wants " + ShapeText(spec.shape));
  }
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t count, ElementCount(input.shape));
  const std::size_t wanted = static_cast<std::size_t>(count) * ElementSize(spec.type);
  if (input.bytes.size() != wanted) {
    return Invalid("input '" + spec.name + "' has " + std::to_string(input.bytes.size()) +
                   " bytes, shape " + ShapeText(input.shape) + " wants " + std::to_string(wanted));
  }
  return Ok();
}

}  // namespace

std::string_view ElementTypeName(ElementType type) { return RowOf(type).name; }
std::size_t ElementSize(ElementType type) { return RowOf(type).size; }

Result<ElementType> ElementTypeFromName(std::string_view name) {
  std::string known;
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
    (known += known.empty() ? "" : ", ") += row.name;
  }
  return Invalid("datatype '" + std::string(name) + "' is none of " + known);
}

std::string NamesText(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs) (names += names.empty() ? "" : ", ") += spec.name;
  return names;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ',';
    text += std::to_string(size);
  }
  return text + "]";
}

Result<std::int64_t> ElementCount(const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kMost = 1LL << 40;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && count > kMost / size)) {
      return Invalid("shape " + ShapeText(shape) + " is negative or too large");
    }
    count *= size;
  }
  return count;
}

bool ShapeFits(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& wanted) {
  return std::equal(
      shape.begin(), shape.end(), wanted.begin(), wanted.end(),
      [](std::int64_t seen, std::int64_t want) { return want < 0 ? seen >= 0 : seen == want; });
}

Status CheckInputs(const std::vector<TensorSpec>& specs, const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) {
    const auto named = [&](const auto& other) { return other.name == input.name; };
    if (std::none_of(specs.begin(), specs.end(), named)) {
      return Invalid("the model has no input '" + input.name + "'; it has " + NamesText(specs));
    }
    if (std::count_if(inputs.begin(), inputs.end(), named) > 1) {
      return Invalid("input '" + input.name + "' came twice");
    }
  }
  for (const TensorSpec& spec : specs) {
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const Tensor& candidate) {
      return candidate.name == spec.name;
    });
    if (input == inputs.end()) return Invalid("input '" + spec.name + "' is missing");
    MUSTER_RETURN_IF_ERROR(CheckInput(spec, *input));
  }
  return Ok();
}

}  // namespace muster::registry
