#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/batch_system.h"
#include "cluster/slurm_profile.h"

/// What sbatch is given for a request. Pure.
///
/// How large a job is and how it is found again is said as arguments, which go before a script's #SBATCH lines, so a
/// profile cannot change it. Counts are fixed: 22.05 refuses or loses some jobs with ranges of nodes. The script starts
/// the command as one step with one task a node; it becomes srun, so that srun's end is the job's, and Slurm's signals
/// meet no shell: SIGUSR2 goes to the step's tasks, SIGTERM to them and to srun, which passes it on.

namespace muster::cluster::slurm {

struct BatchJob {
  std::vector<std::string> arguments;  ///< of sbatch
  std::string script;                  ///< bash, for its standard input
};

/// Tasks `first` to `first + count - 1` of a request that keeps the rules: a job, or an array when they are several.
BatchJob MakeBatchJob(const JobRequest& request, const SlurmProfile& profile, int first, int count);

/// How jobs are known to be a request's, in their comment ("muster:KEY/FIRST") and, since a site may keep no
/// comments of ended jobs, at the end of their name ("NAME@KEY/FIRST").
struct JobTag {
  std::string key;
  int first = 0;  ///< the task of array index 0
  friend bool operator==(const JobTag&, const JobTag&) = default;
};
/// An empty key: no job of muster's.
JobTag ReadTag(std::string_view comment, std::string_view name);

/// 'it'\''s': one word for a shell.
std::string ShellQuoted(std::string_view text);

}  // namespace muster::cluster::slurm
