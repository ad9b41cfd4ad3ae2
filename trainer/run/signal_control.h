#pragma once

#include <memory>

#include "trainer/control.h"

namespace muster::trainer::run {

/// `inner` with the process's signals added to its commands: SIGTERM and SIGINT are kStop, SIGUSR2 is
/// kCheckpoint. Null `inner`: records go nowhere (ranks other than the first). One in a process.
std::unique_ptr<Control> MakeSignalControl(std::unique_ptr<Control> inner);

}  // namespace muster::trainer::run
