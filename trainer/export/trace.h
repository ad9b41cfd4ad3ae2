#pragma once

#include "runtime/base/result.h"
#include "trainer/export/export.h"
#include "trainer/export/program.h"

/// Steps 1 to 4 of export.h: from a forward function to a Program. Private to trainer/export.

namespace muster::exporting {

Result<Program> Trace(const Forward& forward, const std::vector<NamedTensor>& state,
                      const std::vector<at::Tensor>& examples, bool dynamic_batch);

}  // namespace muster::exporting
