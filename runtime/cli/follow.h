#pragma once

#include <string>

#include "runtime/cli/context.h"

namespace muster::cli {

/// Shows a sweep's progress until it ends, then its table; kDone when it is complete (also when its gates
/// kept the champion), kFailed otherwise. Ctrl-C leaves the sweep running, says so, and is kInterrupted. A
/// server that goes away is waited for: it may be restarting.
int FollowSweep(const Context& context, http::Client& client, const std::string& id);

/// The table of trials, the best one and what became of its model.
int PrintSweep(const Context& context, http::Client& client, const std::string& id);

}  // namespace muster::cli
