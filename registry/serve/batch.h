#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "registry/inference_engine.h"

/// Requests as one call of the engine: their rows one under another, and the answers apart again. Pure.

namespace muster::registry::serve {

/// Whether the first dimension of all inputs and outputs is open, so that rows of several requests may share a call.
bool TakesRows(const InferenceModel& model);

/// The first dimension that all inputs have in common; nothing when they have none.
std::optional<std::int64_t> RowsOf(const std::vector<Tensor>& inputs);

/// Whether the two differ in nothing but their rows and values. Inputs in any order.
bool CanJoin(const std::vector<Tensor>& one, const std::vector<Tensor>& other);

/// The rows of all, in order, under the first's names and order. Not empty, each can be joined with the first.
std::vector<Tensor> Join(const std::vector<const std::vector<Tensor>*>& requests);

/// The answers apart again, `rows` of each request in order. kInternal when an output has another number of rows than
/// all requests together.
Result<std::vector<std::vector<Tensor>>> Split(const std::vector<Tensor>& outputs,
                                               const std::vector<std::int64_t>& rows);

}  // namespace muster::registry::serve
