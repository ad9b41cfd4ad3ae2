#pragma once

#include <string>

#include "runtime/cli/context.h"

namespace muster::cli {

/// "muster 0.1.0".
std::string VersionText();
void AddVersion(CLI::App& app, Context& context);

}  // namespace muster::cli
