#pragma once

#include "runtime/cli/context.h"

namespace muster::cli {

/// Adds `lineage` to `muster model`.
void AddModelLineage(CLI::App& model, Context& context);

}  // namespace muster::cli
