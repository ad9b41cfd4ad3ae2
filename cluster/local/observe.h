#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/gpu_activity.h"
#include "cluster/local/process_table.h"
#include "runtime/agent/rank_sample.h"

/// What the ranks of an attempt do, as the kernel counts it.

namespace muster::cluster::local {

/// Each rank that lives, with its process (first) and all that descends from it.
std::map<int, std::vector<ProcessStat>> ProcessesOfRanks(const AttemptProcesses& all,
                                                         const ShimState& state);

/// One sample a living rank. Reads three small files of each process, and one more of those of a rank whose
/// memory seems to be beyond `memory_bytes` (0: no limit): there pages that processes share count once.
/// And the beat of a program that says where it is.
/// `gpus` may be null.
std::vector<agent::RankSample> SampleRanks(const AttemptProcesses& all, const ShimState& state,
                                           const AttemptFolder& folder, std::int64_t memory_bytes,
                                           const GpuActivity* gpus);

}  // namespace muster::cluster::local
