#pragma once

#include <chrono>
#include <string>

#include "runtime/cli/context.h"

namespace muster::cli {

/// How long a command that follows work waits for its server; one that is killed and started again is back
/// well within this.
inline constexpr auto kPatience = std::chrono::seconds(60);

/// From its construction on Ctrl-C is noted, not obeyed: what runs on the cluster is not this program's to end.
class InterruptNote {
 public:
  InterruptNote();
  [[nodiscard]] bool seen() const;
};

/// Shows a sweep's progress until it ends, then its table; kDone when it is complete (also when its gates
/// kept the champion), kFailed otherwise. Ctrl-C leaves the sweep running, says so, and is kInterrupted. A
/// server that goes away is waited for: it may be restarting.
int FollowSweep(const Context& context, http::Client& client, const std::string& id);

/// The table of trials, the best one and what became of its model.
int PrintSweep(const Context& context, http::Client& client, const std::string& id);

}  // namespace muster::cli
