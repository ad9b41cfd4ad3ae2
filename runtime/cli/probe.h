#pragma once

#include "runtime/cli/context.h"

namespace muster::cli {

/// Hidden: `muster probe`, which `muster doctor --cluster` runs on nodes.
void AddProbe(CLI::App& app, Context& context);

}  // namespace muster::cli
