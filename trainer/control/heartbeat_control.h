#pragma once

#include <filesystem>
#include <memory>

#include "trainer/control.h"

namespace muster::trainer::control {

/// `inner` whose beats also go to the file that MUSTER_HEARTBEAT names (runtime/agent/beat.h has its line): one
/// write of some 30 bytes each. Null `inner`: everything else goes nowhere. Where the file cannot be made this is
/// said in the log, and `inner` is answered.
std::unique_ptr<Control> WithHeartbeat(std::unique_ptr<Control> inner,
                                       const std::filesystem::path& file);

}  // namespace muster::trainer::control
