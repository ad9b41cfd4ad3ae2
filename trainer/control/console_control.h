#pragma once

#include <cstdio>
#include <memory>

#include "trainer/control.h"

/// Somebody at a terminal instead of muster: a bar that moves with the epochs, or plain lines when the
/// output is piped.

namespace muster::trainer::control {

/// Writes to `out`, which outlives it.
std::unique_ptr<Control> MakeConsoleControl(std::FILE* out, bool terminal);

}  // namespace muster::trainer::control
