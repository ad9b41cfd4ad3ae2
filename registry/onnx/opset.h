#pragma once

#include <cstdint>

#include "registry/onnx/graph.h"
#include "runtime/base/result.h"

namespace muster::onnx {

/// The newest operator set that muster writes: ONNX 1.15, IR 9. Graphs are built in the forms of 17.
inline constexpr std::int64_t kOpsetMax = 20;

/// Makes `model`, which has the forms of operator set 17 and perhaps operators that came later, one of
/// `wanted`: sets its versions and rewrites what has another form there (axes of the reductions from
/// 18 on, the modes of GridSample from 20 on). 0 stands for 17, or the least set above it that has all
/// of its operators. kUnsupported: one of its operators, which is named, came later than `wanted`, or
/// `wanted` is below 13 or above kOpsetMax.
Status SetOpset(Model& model, std::int64_t wanted = 0);

}  // namespace muster::onnx
