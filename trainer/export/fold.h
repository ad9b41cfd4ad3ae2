#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <functional>

#include "runtime/base/result.h"
#include "trainer/export/program.h"

/// Step 3 of export.h: what depends on no input is computed while exporting. Private to
/// trainer/export.

namespace muster::exporting {

/// A tensor that is known, computed from the parameter `origin` (or empty).
Value KnownValue(const at::Tensor& tensor, const std::string& origin);

/// Visits the values that `id` stands for: itself, or the items of a list, at any depth.
void ForEachLeaf(const Program& program, std::size_t id,
                 const std::function<void(std::size_t)>& visit);

/// Whether an operator with these inputs can be computed now.
bool KnownNow(const Program& program, const List& inputs);

/// The first parameter that these values are or were computed from; else empty.
std::string OriginOf(const Program& program, const List& inputs);

/// Whether the operator draws random numbers.
bool IsRandom(const c10::FunctionSchema& schema);

/// What LibTorch answers for the operator. `copy_first`: its first input is copied, because the
/// operator changes it and somebody else reads it. kInternal with LibTorch's words when it throws.
Result<std::vector<c10::IValue>> ComputeNow(const Program& program,
                                            const c10::FunctionSchema& schema, const List& inputs,
                                            bool copy_first);

}  // namespace muster::exporting
