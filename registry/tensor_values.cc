#include "registry/tensor_values.h"

#include <cstring>
#include <type_traits>

#include "registry/with_type.h"

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
  return WithType(tensor.type, [&]<typename T>(T) {
    return Converted<To, std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>(tensor);
  });
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
