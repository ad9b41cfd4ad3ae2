#include "registry/tensor_values.h"

#include <Eigen/Core>
#include <cstring>

namespace muster::registry {
namespace {

template <typename To, typename From>
std::vector<To> Converted(const Tensor& tensor) {
  std::vector<To> values(tensor.bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, tensor.bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = static_cast<To>(value);
  }
  return values;
}

}  // namespace

template <typename To>
std::vector<To> ValuesAs(const Tensor& tensor) {
  switch (tensor.type) {
    case ElementType::kF32:
      return Converted<To, float>(tensor);
    case ElementType::kF64:
      return Converted<To, double>(tensor);
    case ElementType::kF16:
      return Converted<To, Eigen::half>(tensor);
    case ElementType::kBf16:
      return Converted<To, Eigen::bfloat16>(tensor);
    case ElementType::kI8:
      return Converted<To, std::int8_t>(tensor);
    case ElementType::kI16:
      return Converted<To, std::int16_t>(tensor);
    case ElementType::kI32:
      return Converted<To, std::int32_t>(tensor);
    case ElementType::kI64:
      return Converted<To, std::int64_t>(tensor);
    case ElementType::kU8:
    case ElementType::kBool:
      return Converted<To, std::uint8_t>(tensor);
    case ElementType::kU16:
      return Converted<To, std::uint16_t>(tensor);
    case ElementType::kU32:
      return Converted<To, std::uint32_t>(tensor);
    case ElementType::kU64:
      return Converted<To, std::uint64_t>(tensor);
  }
  return {};
}

template std::vector<float> ValuesAs(const Tensor& tensor);
template std::vector<double> ValuesAs(const Tensor& tensor);

int FractionBits(ElementType type) {
  switch (type) {
    case ElementType::kF64:
      return 52;
    case ElementType::kF32:
      return 23;
    case ElementType::kF16:
      return 10;
    case ElementType::kBf16:
      return 7;
    default:
      return 0;
  }
}

}  // namespace muster::registry
