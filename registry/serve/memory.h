#pragma once

#include <cstdint>

namespace muster::registry::serve {

/// The process's resident set in bytes; 0 when the system does not say.
std::uint64_t ResidentBytes();

/// Gives the heap's free pages back to the system: glibc keeps those that a model's weights lay in. Takes milliseconds.
void ReturnFreeMemory();

}  // namespace muster::registry::serve
