#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace muster::cluster::local {

using Environment = std::map<std::string, std::string>;

struct SpawnRequest {
  std::vector<std::string> command;   ///< [0] a path, or a name for the PATH of `environment`
  Environment environment;            ///< whole: nothing is inherited
  std::filesystem::path working_dir;  ///< empty: the caller's
  std::filesystem::path out;          ///< appended to; empty: the caller's
  std::filesystem::path err;          ///< appended to; may be the same as `out`
  bool own_group = false;             ///< a process group of its own
  bool detached = false;              ///< a session of its own, and init for a parent
  bool die_with_parent = false;       ///< SIGKILL when the calling thread ends
  std::vector<std::filesystem::path> cgroups;  ///< that it enters before it runs, if it can
  std::set<int> cpus;  ///< on which alone it may run, if it can; empty: the caller's
};

/// Starts a program and answers its pid, without a copy of the caller's memory: standard input is /dev/null, signal mask empty, every signal at its default but
/// SIGUSR2, which is ignored until the program asks for it (muster sends it to ask for a checkpoint, and its
/// default would kill a program that never heard of it). Safe in a process with threads. The error names
/// the step that failed: the folder, the file, the program.
Result<int> Spawn(const SpawnRequest& request);

/// The caller's environment without what another job left in it (MUSTER_*, and what
/// cluster/rank_environment.h's TellsRank says).
Environment CleanEnvironment();

/// Finds the program of a command: as given when it has a slash (relative to `working_dir`), else in
/// `bin_dir`, else in PATH. kNotFound names the places looked in.
Result<std::string> FindProgram(const std::string& name, const std::filesystem::path& bin_dir,
                                const std::filesystem::path& working_dir,
                                const Environment& environment);

}  // namespace muster::cluster::local
