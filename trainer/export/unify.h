#pragma once

#include "runtime/base/result.h"
#include "trainer/export/program.h"
#include "trainer/export/trace.h"

/// Steps 2 to 4 of export.h: what the traces agree on. Private to trainer/export.

namespace muster::exporting {

/// Walks `graphs` in lockstep. The first `input_count` of their inputs are the model's, the rest
/// are the tensors of `state`.
Result<Program> Unify(const Graphs& graphs, const std::vector<NamedTensor>& state,
                      std::size_t input_count);

}  // namespace muster::exporting
