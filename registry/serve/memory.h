#pragma once

#include <cstdint>

namespace muster::registry::serve {

/// The process's resident set in bytes; 0 when the system does not say.
std::uint64_t ResidentBytes();

/// What this process's threads have used of the CPUs since its start, in milliseconds.
std::int64_t CpuMilliseconds();

/// From here on a block of 1 MiB or more is the system's again as soon as it is freed. Else glibc keeps what weights lay
/// in for the next ones, in the heap of each thread that ever loaded. For a main; before there are threads.
void MapLargeBlocks();

/// Gives the heap's free pages back to the system: glibc keeps what small blocks lay in. Takes milliseconds.
void ReturnFreeMemory();

}  // namespace muster::registry::serve
