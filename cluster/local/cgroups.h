#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Control groups of attempts (cgroups(7), version 1 and 2), where the node lets us make any: a limit on the
/// memory of a gang that the kernel keeps, and a kill that no fork outruns. An addition: what belongs to an
/// attempt is still found by its mark.

namespace muster::cluster::local {

class Cgroups {
 public:
  /// Nowhere: nothing is made.
  Cgroups() = default;
  /// `root` is where they are mounted (/sys/fs/cgroup), `self` the text of /proc/self/cgroup: attempts' groups
  /// become children of the caller's own.
  static Cgroups Find(const std::filesystem::path& root, std::string_view self);

  /// Does the kernel keep memory limits for us?
  [[nodiscard]] bool limits_memory() const { return !memory_.empty(); }
  /// For people; empty when it does.
  [[nodiscard]] const std::string& why_not() const { return why_not_; }

  /// Makes a group called `name` in each place, with that limit (0: none) on all of its processes together.
  /// The folders of it; none where none can be made.
  [[nodiscard]] std::vector<std::filesystem::path> Make(const std::string& name,
                                                        std::int64_t memory_bytes) const;

 private:
  std::filesystem::path memory_;  ///< parent of groups with a memory limit; empty: there is none
  std::string limit_file_;        ///< "memory.max" or "memory.limit_in_bytes"
  std::filesystem::path
      kill_;  ///< parent of groups that have cgroup.kill (version 2); may be memory_
  std::string why_not_ = "nobody looked for control groups";
};

/// SIGKILL to all that is in the groups, as far as they have cgroup.kill.
void KillCgroups(const std::vector<std::filesystem::path>& groups);
/// Pids of what is in them, zombies left out where the kernel does.
std::vector<int> ProcessesOfCgroups(const std::vector<std::filesystem::path>& groups);
/// Deletes them; kIo for one that is not empty.
Status RemoveCgroups(const std::vector<std::filesystem::path>& groups);

}  // namespace muster::cluster::local
