#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// Runs one of a batch system's commands, to its end or a deadline.

namespace muster::cluster::slurm {

using Environment = std::map<std::string, std::string>;

struct Command {
  std::vector<std::string>
      arguments;  ///< [0] a path, or a name for the PATH of `environment`; no shell sees them
  Environment environment;  ///< whole: nothing is inherited
  std::string input;        ///< on its standard input
  std::chrono::milliseconds deadline{20'000};
};

struct CommandResult {
  int exit_code = 0;  ///< 128 and the signal when one ended it
  std::string out;
  std::string err;  ///< its first 64 KiB
};

/// Whatever its exit. kNotFound: there is no such program; kUnavailable: the deadline passed, and it was killed with
/// all that it had started in its process group; kResource: more than 64 MiB of output, or nothing left to start it
/// with; kIo. Safe from any thread.
Result<CommandResult> RunCommand(const Command& command);

/// The environment that a batch system's commands, and through them jobs, are given: the caller's without what another
/// job or muster itself left in it, and without what would change the commands' output.
Environment CommandEnvironment(const Environment& callers);

}  // namespace muster::cluster::slurm
