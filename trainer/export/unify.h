#pragma once

#include "runtime/base/result.h"
#include "trainer/export/export.h"
#include "trainer/export/program.h"
#include "trainer/export/recording.h"
#include "trainer/export/symbols.h"

/// Steps 2 to 4 of export.h: what the traces agree on. Private to trainer/export.

namespace muster::exporting {

/// Walks the recordings of `TraceCount(symbols)` runs in lockstep. The first of their inputs are the
/// model's, the rest are the tensors of `state`.
Result<Program> Unify(const std::vector<Recording>& runs, const std::vector<NamedTensor>& state,
                      const Symbols& symbols);

}  // namespace muster::exporting
