#pragma once

#include <memory>

#include "trainer/control.h"

namespace muster::trainer::control {

/// For a rank that is not the first: its records go to `inner` as far as that takes them, and nothing that goes
/// wrong there is the training's concern. Commands are the first rank's to hear, and nobody waits for a Flush.
std::unique_ptr<Control> TelemetryOnly(std::unique_ptr<Control> inner);

}  // namespace muster::trainer::control
