#pragma once

#include <string>
#include <vector>

#include "runtime/coordinator/views.h"

/// Sentences of `explain` about what people and sweep files decided: nodes out of work, time limits, retries,
/// log rules.

namespace muster::coordinator {

/// "up", "torpid" or "lost"; of a node that is out of work "cordoned", "draining", "drained" or "excluded".
std::string NodeState(const Coordinator& coordinator, const Node& node, MonotonicTime now);

using Lines = std::vector<std::string>;
/// What holds for all of the sweep's trials.
void ExplainPolicy(const State& state, const Sweep& sweep, UnixMillis unix_now, Lines& lines);
/// What the trial has used up of it.
void ExplainPolicy(const State& state, const Sweep& sweep, const Trial& trial, UnixMillis unix_now,
                   Lines& lines);

}  // namespace muster::coordinator
