#pragma once

#include <string>
#include <string_view>

#include "runtime/agent/agent.h"

/// One short line an input, an effect or a message, for traces, logs and tests: "send exited 5 user
/// started records 120: rank 1 failed first: exit 3".

namespace muster::agent {

std::string Describe(const wire::Message& message);
std::string Describe(const Input& input);
std::string Describe(const Effect& effect);

/// "success", "user", ...
std::string_view CauseName(wire::ExitCause cause);

}  // namespace muster::agent
