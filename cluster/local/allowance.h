#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "cluster/rank_environment.h"
#include "runtime/base/result.h"

/// How much of its machine an agent may use: less than there is, inside a Slurm job, a container or a mask of CPUs.

namespace muster::cluster::local {

/// What each of those who may limit it says; empty or 0: nothing.
struct AllowanceFacts {
  int online_cpus = 1;
  int affinity_cpus = 0;                   ///< sched_getaffinity(2)
  double quota_cpus = 0;                   ///< of the control group: CPU time a second
  std::int64_t machine_memory = 0;         ///< bytes
  std::int64_t group_memory = 0;           ///< the control group's limit in bytes
  std::optional<std::int64_t> slurm_cpus;  ///< SLURM_CPUS_ON_NODE
  std::optional<std::int64_t>
      slurm_memory;  ///< bytes of the job on this node; 0 is Slurm's "all of it"
};

struct Allowance {
  int cpus = 1;                   ///< at least 1; a quota of 1.5 counts as 1
  std::int64_t memory_bytes = 0;  ///< 0: not known
};

/// The least that any of them says.
Allowance AllowanceOf(const AllowanceFacts& facts);

/// Asks the kernel and Slurm. `cgroup_root` is where control groups are mounted, `self` the text of /proc/self/cgroup.
/// Slurm's variables count inside a job only (SLURM_JOB_ID).
AllowanceFacts ReadAllowance(const ReadVariable& environment,
                             const std::filesystem::path& cgroup_root, std::string_view self);

}  // namespace muster::cluster::local
