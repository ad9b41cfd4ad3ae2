#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/base/result.h"
#include "trainer/shm/descriptor.h"

/// Whether another process of this machine still lives. Linux only.

namespace muster::trainer::shm {

/// A pid is used again after its process; with the start time it names one process.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< since boot: field 22 of /proc/PID/stat
};

Result<ProcessId> ThisProcess();

class PeerProcess {
 public:
  /// kNotFound when it is no more.
  static Result<PeerProcess> Open(ProcessId id);

  /// It has ended, whether or not its parent has taken note. One system call where the kernel has pidfds
  /// (Linux 5.3).
  [[nodiscard]] bool Gone() const;

 private:
  PeerProcess(ProcessId id, Descriptor pidfd) : id_(id), pidfd_(std::move(pidfd)) {}

  ProcessId id_;
  Descriptor pidfd_;  ///< closed where the kernel gives none
};

}  // namespace muster::trainer::shm
