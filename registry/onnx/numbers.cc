#include "registry/onnx/numbers.h"

#include <bit>
#include <cstring>
#include <string_view>

namespace muster::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are little-endian");

template <typename T, typename Out>
std::vector<Out> Decoded(std::string_view bytes) {
  std::vector<Out> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = Out{value};
  }
  return values;
}

}  // namespace

bool IsWhole(const Tensor& tensor) {
  const std::size_t width = DataTypeSize(tensor.type);
  const std::int64_t elements = tensor.elements();
  return width > 0 && elements >= 0 && tensor.bytes.size() % width == 0 &&
         tensor.bytes.size() / width == static_cast<std::size_t>(elements);
}

std::optional<std::vector<std::int64_t>> IntsOf(const Tensor& tensor) {
  if (!IsWhole(tensor)) return std::nullopt;
  switch (tensor.type) {
    case DataType::kInt64:
      return Decoded<std::int64_t, std::int64_t>(tensor.bytes);
    case DataType::kInt32:
      return Decoded<std::int32_t, std::int64_t>(tensor.bytes);
    case DataType::kInt8:
      return Decoded<std::int8_t, std::int64_t>(tensor.bytes);
    case DataType::kUint8:
    case DataType::kBool:
      return Decoded<std::uint8_t, std::int64_t>(tensor.bytes);
    default:
      return std::nullopt;
  }
}

std::optional<std::vector<float>> FloatsOf(const Tensor& tensor) {
  if (tensor.type != DataType::kFloat || !IsWhole(tensor)) return std::nullopt;
  return Decoded<float, float>(tensor.bytes);
}

Tensor IntTensor(std::string name, DataType type, std::vector<std::int64_t> dims,
                 const std::vector<std::int64_t>& values) {
  Tensor tensor{.name = std::move(name), .type = type, .dims = std::move(dims), .bytes = {}};
  const std::size_t width = DataTypeSize(type);
  tensor.bytes.resize(values.size() * width);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::memcpy(tensor.bytes.data() + i * width, &values[i], width);
  }
  return tensor;
}

Tensor FloatTensor(std::string name, std::vector<std::int64_t> dims,
                   const std::vector<float>& values) {
  return {std::move(name), DataType::kFloat, std::move(dims),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

}  // namespace muster::onnx
