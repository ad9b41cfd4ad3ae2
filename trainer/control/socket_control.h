#pragma once

#include <filesystem>
#include <memory>

#include "trainer/control.h"

/// The trial's side of the socket MUSTER_CONTROL; runtime/wire/trial_record.h has the protocol. Records that
/// the shim has not acknowledged are kept, and sent again after a reconnection; one that was spooled
/// without its acknowledgement arriving is then there twice, with the same content.

namespace muster::trainer::control {

inline constexpr std::size_t kUnacknowledgedMax = 100'000;
inline constexpr int kFlushSeconds = 30;

/// kUnavailable when nobody listens there.
Result<std::unique_ptr<Control>> ConnectControl(const std::filesystem::path& socket);

}  // namespace muster::trainer::control
