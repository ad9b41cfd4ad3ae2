#pragma once

#include <optional>

namespace muster::cli {

/// `muster shim ...`, `muster rank`, `muster remote-start ...` and `muster inspect ...`: what muster starts itself, around the ranks of an attempt
/// (cluster/local). Answers the exit code, or nullopt when the arguments are a person's.
std::optional<int> RunHidden(int argc, char** argv);

}  // namespace muster::cli
