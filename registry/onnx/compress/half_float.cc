#include "registry/onnx/compress/half_float.h"

#include <bit>

namespace muster::onnx::compress {
namespace {

/// value >> shift, rounded to nearest even.
std::uint32_t Shifted(std::uint32_t value, std::uint32_t shift) {
  const std::uint32_t rest = value & ((1U << shift) - 1), half = 1U << (shift - 1);
  const std::uint32_t kept = value >> shift;
  return kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
}

}  // namespace

std::uint16_t HalfBits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U, magnitude = bits & 0x7fffffffU;
  const auto exponent = static_cast<std::int32_t>(magnitude >> 23) - 127;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000U) {
    half = 0x7e00U;  // NaN
  } else if (exponent >= 16) {
    half = 0x7c00U;
  } else if (exponent >= -14) {
    // Rounding may carry into the exponent, which is then the right one, infinity included.
    half = Shifted(magnitude - (112U << 23), 13);
  } else if (exponent >= -25) {
    const std::uint32_t mantissa = (magnitude & 0x7fffffU) | 0x800000U;
    half = Shifted(mantissa, static_cast<std::uint32_t>(-exponent - 1));
  }
  return static_cast<std::uint16_t>(sign | half);
}

}  // namespace muster::onnx::compress
