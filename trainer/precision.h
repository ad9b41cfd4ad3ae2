#pragma once

#include <cstdint>
#include <string_view>

namespace muster::trainer {

/// What forward and backward are computed in. Weights, gradients and the optimizer's state are fp32 whatever it is;
/// below it autocast chooses operator by operator (matrix products and convolutions in the lower precision, sums and
/// losses in fp32), as PyTorch's does.
enum class Precision { kFp32, kBf16, kFp16 };

/// Of "fp32", "bf16", "fp16" (the choices of the parameter); kFp32 for anything else.
constexpr Precision PrecisionFromName(std::string_view name) {
  if (name == "bf16") return Precision::kBf16;
  return name == "fp16" ? Precision::kFp16 : Precision::kFp32;
}

}  // namespace muster::trainer
