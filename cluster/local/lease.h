#pragma once

#include <filesystem>
#include <optional>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// The time until which ranks of a node may run without hearing from an agent, in a file that every shim
/// of the node reads: nanoseconds of the machine's monotonic clock, which all processes share. Replaced as a
/// whole, or on a full disk written over, and not synced: after a crash of the machine there is no rank.

namespace muster::cluster::local {

Status WriteLease(const std::filesystem::path& file, MonotonicTime until);
/// Nothing when there is no such file, or no time in it.
std::optional<MonotonicTime> ReadLease(const std::filesystem::path& file);

}  // namespace muster::cluster::local
