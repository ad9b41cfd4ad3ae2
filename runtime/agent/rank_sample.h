#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/agent/beat.h"

namespace muster::agent {

/// A rank's processes (its own and all that descend from it), seen from outside. Counts are since each
/// process began, so a sum falls when a child ends.
struct RankSample {
  int rank = 0;
  std::int64_t cpu_ms = 0;
  std::int64_t ready_ms = 0;   ///< the main threads could have run, but others had the CPU
  std::int64_t io_bytes = 0;   ///< read and written, files and pipes
  std::int64_t switches = 0;   ///< how often the main threads gave up or lost the CPU
  std::int64_t faults = 0;     ///< pages that were touched for the first time
  std::int64_t gpu_ms = 0;     ///< kept multiprocessors of GPUs busy; 0 where nobody tells
  std::int64_t rss_bytes = 0;  ///< memory in use; shared pages counted once where that can be told
  bool stopped = false;        ///< by SIGSTOP or a tracer
  std::optional<Beat> beat;    ///< of a program that says where it is
};

}  // namespace muster::agent
