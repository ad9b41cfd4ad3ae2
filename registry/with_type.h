#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "registry/inference_engine.h"

namespace muster::registry {

/// Calls `use` with a zero of the C++ type that an element of `type` is kept in: a bool's is bool, of a byte that is 0 or 1.
template <typename Use>
auto WithType(ElementType type, Use&& use) {
  switch (type) {
    case ElementType::kF32:
      return use(float{});
    case ElementType::kF64:
      return use(double{});
    case ElementType::kF16:
      return use(Eigen::half{});
    case ElementType::kBf16:
      return use(Eigen::bfloat16{});
    case ElementType::kI8:
      return use(std::int8_t{});
    case ElementType::kI16:
      return use(std::int16_t{});
    case ElementType::kI32:
      return use(std::int32_t{});
    case ElementType::kI64:
      return use(std::int64_t{});
    case ElementType::kU8:
      return use(std::uint8_t{});
    case ElementType::kU16:
      return use(std::uint16_t{});
    case ElementType::kU32:
      return use(std::uint32_t{});
    case ElementType::kU64:
      return use(std::uint64_t{});
    case ElementType::kBool:
      return use(bool{});
  }
  return use(bool{});
}

}  // namespace muster::registry
