#pragma once

/// Broken invariants of ours. The world's failures (files, peers, bad input) are a `Result` instead.

namespace muster {

/// Prints the condition, the reason and the place to standard error and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* why, const char* file, int line);

}  // namespace muster

/// Aborts, also in release builds, when `condition` is false. The condition must have no effect.
#define MUSTER_CHECK(condition, why)                                \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::muster::CheckFailed(#condition, (why), __FILE__, __LINE__); \
  } while (false)
