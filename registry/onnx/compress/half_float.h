#pragma once

#include <cstdint>

namespace muster::onnx::compress {

inline constexpr float kMostHalf = 65504;

/// IEEE 754 binary16's bits, rounded to nearest even; beyond 65504 infinity.
std::uint16_t HalfBits(float value);

}  // namespace muster::onnx::compress
