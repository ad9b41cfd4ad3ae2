#pragma once

#include <vector>

#include "registry/inference_engine.h"

namespace muster::registry {

/// The elements of a tensor of any type as `To`, float or double; what it cannot hold is rounded to the nearest.
template <typename To>
std::vector<To> ValuesAs(const Tensor& tensor);

/// 52 of FP64, 23 of FP32, 10 of FP16, 7 of BF16; 0 for what is no float.
int FractionBits(ElementType type);

}  // namespace muster::registry
