#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/batch_system.h"
#include "runtime/base/result.h"

/// What squeue and sacct answer, in formats of our asking (squeue(1), sacct(1)). Pure. Not --json: its members changed
/// with each of 22.05, 23.02, 23.11 and 24.05, that of 22.05 ignores filters, and its exit codes are wrong in sacct.

namespace muster::cluster::slurm {

/// Arguments of squeue: every job of this user, array elements one by one, ended ones as long as there are. Times are
/// seconds since 1970 with SLURM_TIME_FORMAT=%s, which it needs.
std::vector<std::string> QueueArguments();

struct QueueRow {
  Job job;            ///< without a key: none of muster's
  std::string array;  ///< the id of the whole array, or of the job
};

/// Lines that are none of that format (a name with a line break in it) are left out.
std::vector<QueueRow> ReadQueue(std::string_view text);

/// Slurm's extended name of a state; kEnding for one that is not known, as its processes may run.
JobState StateOf(std::string_view name);

/// Arguments of sacct for all starts of jobs or arrays.
std::vector<std::string> UsageArguments(std::span<const JobRef> jobs);
/// Adds to the usage of each job, in their order, the rows of its ended starts.
void ReadUsage(std::string_view text, std::span<const JobRef> jobs, std::span<JobUsage> usages);

}  // namespace muster::cluster::slurm
