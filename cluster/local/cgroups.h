#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Control groups of attempts (cgroups(7), version 1 and 2), where the node lets us make any: limits on a gang that
/// the kernel keeps, and a kill that no fork outruns. An addition: what belongs to an attempt is still found by its
/// mark.

namespace muster::cluster::local {

/// The caller's own group in one hierarchy, of the text of /proc/self/cgroup: "/a/b" of "4:memory:/a/b" for "memory",
/// of "0::/a/b" for "". Empty where there is none.
std::string OwnGroup(std::string_view self, std::string_view controller);

enum class Controller { kMemory, kCpu, kPids };

/// On all processes of a gang on this node together; 0: none.
struct GroupLimits {
  std::int64_t memory_bytes = 0;
  /// Its share of the CPU where more is wanted than there is; what others leave idle it may use.
  std::int64_t cpus = 0;
  std::int64_t tasks = 0;  ///< processes and threads
};

class Cgroups {
 public:
  /// Nowhere: nothing is made.
  Cgroups() = default;
  /// `root` is where they are mounted (/sys/fs/cgroup), `self` the text of /proc/self/cgroup: attempts' groups
  /// become children of the caller's own.
  static Cgroups Find(const std::filesystem::path& root, std::string_view self);

  /// Does the kernel keep such limits for us?
  [[nodiscard]] bool keeps(Controller controller) const {
    return !places_[static_cast<std::size_t>(controller)].parent.empty();
  }
  /// For people; empty when it keeps all of them.
  [[nodiscard]] std::string why_not() const;

  /// Makes a group called `name` in each place, with the limits. The folders of it; none where none can be made.
  [[nodiscard]] std::vector<std::filesystem::path> Make(const std::string& name,
                                                        const GroupLimits& limits) const;

  /// Deletes the groups of these names that no process is in and that are older than `age`: those of agents that were
  /// killed and whose homes nobody uses any more. A younger one may be about to be entered. (The kernel tells how long
  /// it has had the folder in memory, which may be less than its age.)
  void DeleteEmpty(std::string_view prefix, std::chrono::seconds age) const;

 private:
  /// Where groups with a limit of one controller are made.
  struct Place {
    std::filesystem::path parent;  ///< empty: nowhere
    bool version_two = false;
  };

  std::string root_;
  std::array<Place, 3> places_;  ///< by Controller
  std::filesystem::path kill_;   ///< parent of groups that have cgroup.kill (version 2)
};

/// SIGKILL to all that is in the groups, as far as they have cgroup.kill.
void KillCgroups(const std::vector<std::filesystem::path>& groups);
/// Pids of what is in them, zombies left out where the kernel does.
std::vector<int> ProcessesOfCgroups(const std::vector<std::filesystem::path>& groups);
/// CPU time, user and system, of all that ever was in one of them; nothing where none of their hierarchies counts it.
std::optional<std::chrono::milliseconds> CpuTimeOfCgroups(
    const std::vector<std::filesystem::path>& groups);
/// Deletes them; kIo for one that is not empty.
Status RemoveCgroups(const std::vector<std::filesystem::path>& groups);

}  // namespace muster::cluster::local
