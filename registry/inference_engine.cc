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

std::string Names(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs) (names += names.empty() ? "" : ", ") += spec.name;
  return names;
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

/// Rows [first, first + count) of a tensor.
Tensor Slice(const Tensor& tensor, std::int64_t first, std::int64_t count) {
  Tensor slice{tensor.name, tensor.type, tensor.shape, {}};
  slice.shape.front() = count;
  const auto row = static_cast<std::ptrdiff_t>(tensor.bytes.size()) / tensor.shape.front();
  slice.bytes.assign(tensor.bytes.begin() + first * row,
                     tensor.bytes.begin() + (first + count) * row);
  return slice;
}

Status Append(std::vector<Tensor>& all, std::vector<Tensor> part, std::int64_t rows) {
  for (const Tensor& tensor : part) {
    if (tensor.shape.empty() || tensor.shape.front() != rows) {
      return Invalid("output '" + tensor.name + "' has shape " + ShapeText(tensor.shape) + " for " +
                     std::to_string(rows) + " rows; its first dimension is not the batch");
    }
  }
  if (all.empty()) {
    all = std::move(part);
    return Ok();
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].shape.front() += rows;
    all[i].bytes.insert(all[i].bytes.end(), part[i].bytes.begin(), part[i].bytes.end());
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
      return Invalid("the model has no input '" + input.name + "'; it has " + Names(specs));
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

Result<std::vector<Tensor>> PredictRows(InferenceModel& model, const std::vector<Tensor>& inputs,
                                        std::int64_t batch) {
  MUSTER_CHECK(batch > 0, "a batch has rows");
  if (inputs.empty() || inputs.front().shape.empty() || inputs.front().shape.front() <= 0) {
    return Invalid("there are no rows to predict");
  }
  const std::int64_t rows = inputs.front().shape.front();
  for (const Tensor& input : inputs) {
    if (input.shape.empty() || input.shape.front() != rows) {
      return Invalid("input '" + input.name + "' has shape " + ShapeText(input.shape) +
                     ", input '" + inputs.front().name + "' has " + std::to_string(rows) + " rows");
    }
  }
  if (rows <= batch) return model.Infer(inputs);
  MUSTER_RETURN_IF_ERROR(CheckInputs(model.inputs(), inputs));  // before the bytes are sliced
  std::vector<Tensor> outputs;
  for (std::int64_t first = 0; first < rows; first += batch) {
    const std::int64_t count = std::min(batch, rows - first);
    std::vector<Tensor> part;
    part.reserve(inputs.size());
    for (const Tensor& input : inputs) part.push_back(Slice(input, first, count));
    MUSTER_ASSIGN_OR_RETURN(auto answers, model.Infer(part));
    MUSTER_RETURN_IF_ERROR(Append(outputs, std::move(answers), count));
  }
  return outputs;
}

}  // namespace muster::registry
