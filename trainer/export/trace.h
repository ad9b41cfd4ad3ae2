#pragma once

#include <optional>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/export/export.h"
#include "trainer/export/recording.h"

/// The port of step 1 of export.h: a front end runs the forward pass once and records what it did.
/// Private to trainer/export.

namespace muster::exporting {

/// Runs `forward` on `inputs`. Gradients must be off. kUnsupported where a value that depends on an
/// input is handed to C++, which no recording shows; kInternal with the words of a forward that threw.
using Tracer = Result<Recording> (*)(const Forward& forward, const std::vector<NamedTensor>& state,
                                     const std::vector<at::Tensor>& inputs);

/// LibTorch's own tracer, which TorchScript came with.
Result<Recording> TraceWithTorchScript(const Forward& forward,
                                       const std::vector<NamedTensor>& state,
                                       const std::vector<at::Tensor>& inputs);

/// Every operator that C++ calls on this thread, as the dispatcher hands it on: no part of TorchScript.
/// What depends on an input is not computed, but for its shape ("meta" tensors). Where `forward` does
/// not run so, it runs on values, and what it computes is kept until the end.
Result<Recording> TraceWithDispatcher(const Forward& forward, const std::vector<NamedTensor>& state,
                                      const std::vector<at::Tensor>& inputs);

/// Operators that hand a value of a tensor to C++ (item, a tensor in an "if").
bool ReadsValues(const std::string& op);
/// What at::equal answers now for all values that such tensors may have; nullopt where they decide.
/// Called from inside of it: that LibTorch's attention layer asks is seen on the call stack.
std::optional<bool> EqualForAllValues(const at::Tensor& left, const at::Tensor& right);
/// What is wrong where `op` read something computed from an input.
Error ValueRead(const std::string& op);

}  // namespace muster::exporting
