#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

/// The machine's processes as /proc shows them (proc(5)), and signals that cannot hit a stranger: a
/// process is named by pid and start time, and both are compared again through a pidfd before a signal is
/// sent.

namespace muster::cluster::local {

struct ProcessId {
  int pid = 0;                   ///< 0: none
  std::int64_t start_ticks = 0;  ///< since boot, field 22 of /proc/PID/stat
  friend auto operator<=>(const ProcessId&, const ProcessId&) = default;
};

/// The process that has this pid now; pid 0 when there is none (a zombie counts as none). An error (no
/// descriptor is left, ...) says nothing about the process, here and below: ask again later.
Result<ProcessId> IdentifyProcess(int pid);
/// True while that very process lives.
Result<bool> IsAlive(const ProcessId& process);
/// Sends a signal to that very process; false when it is gone, or when that cannot be told.
bool SendSignal(const ProcessId& process, int signal);

/// One line of /proc/PID/stat.
struct ProcessStat {
  ProcessId id;
  int parent = 0;
  char state = 'X';  ///< R, S, D, T, t, Z, ...; of the first thread
  std::int64_t threads = 0;
  std::int64_t cpu_ticks = 0;    ///< user and system time
  std::int64_t faults = 0;       ///< pages found in memory
  std::int64_t disk_faults = 0;  ///< pages that had to be read
  std::int64_t rss_pages = 0;
};

/// A file of a process, whole. kNotFound: the process is gone; kUnauthorized: it is somebody else's; kIo:
/// nobody knows (no descriptor is left, ...).
Result<std::string> ReadProcFile(int pid, const char* name);

/// What belongs to one attempt: processes with MUSTER_HOME_ID=<home> and MUSTER_ATTEMPT=<epoch> in the
/// environment they were started with, and all their descendants (a shim adopts what its descendants
/// orphan, so those with a wiped environment are found through it). Never the caller itself.
struct AttemptProcesses {
  std::vector<ProcessId> processes;
  std::vector<ProcessStat> stats;  ///< of the same, in the same order
  std::int64_t cpu_ticks = 0;      ///< user and system time used by them
};

/// One pass over /proc; about 20 us a process. Attempts without a process are absent.
Result<std::map<AttemptEpoch, AttemptProcesses>> ScanAttempts(const std::string& home_id);

}  // namespace muster::cluster::local
