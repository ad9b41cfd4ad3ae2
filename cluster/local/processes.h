#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/agent/agent.h"
#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// The process side of an agent (runtime/agent/agent.h says what each effect asks): attempt folders, shims
/// and their ranks, spools, marks. Real files and processes of this machine.

namespace muster::cluster::local {

struct ProcessesOptions {
  /// One folder an attempt lies in here; made when missing, mode 0700. Absolute.
  std::filesystem::path attempts_dir;
  /// The program that has the subcommands `shim` and `rank`.
  std::filesystem::path self_executable;
  /// Where the trials that ship lie: a command whose first word has no slash is looked up here, then in
  /// PATH.
  std::filesystem::path bin_dir;
  /// Becomes MUSTER_HOME_ID: tells this agent's processes from those of another one on the machine. Stable
  /// over restarts, unique a home.
  std::string home_id;
  /// Where gangs that spread over several nodes reach this one; empty: the loopback.
  std::string address;
  /// That the node gives to trials: binding counts CPUs by them. 0: nobody is bound.
  int slots = 0;
  /// A machine in hwloc's notation in place of this one (topology.h); for tests.
  std::string topology;
  /// Where control groups are mounted; empty: none are made.
  std::filesystem::path cgroup_root = "/sys/fs/cgroup";
  /// The driver's library that tells what GPUs do (gpu_activity.h).
  std::string gpu_library = "libnvidia-ml.so.1";
};

/// One thread at a time; never blocks for longer than a few milliseconds of file work. An object can be
/// destroyed at any time without harm to the ranks: shims go on, and the next object finds them.
class Processes {
 public:
  /// kIo when the folder cannot be made or the kernel lacks inotify, epoll or pidfds.
  static Result<std::unique_ptr<Processes>> Open(ProcessesOptions options);
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// What lies in the attempts folder; called once, before the first Apply or Poll. Folders without a
  /// prepare.json (their MakeAttempt was never answered) are deleted. One whose prepare.json cannot be read
  /// (a disk's error, another version's) is left as it is and logged; its processes are killed.
  agent::FoundAtStart Find();

  /// Begins one effect; what answers it comes from a later Poll. `Send` is not for here and is ignored.
  void Apply(const agent::Effect& effect);

  /// Inputs that arose since the last call. Call it when `fd()` is readable and at least every 100 ms
  /// while attempts live.
  std::vector<agent::Input> Poll(MonotonicTime now);

  /// What attempts are kept within, as wire::Hello says it.
  [[nodiscard]] std::map<std::string, std::string> limits() const;

  /// True while something is being killed: Poll again within some 10 ms.
  [[nodiscard]] bool hurried() const;

  /// Readable (poll, epoll) when a Poll is worthwhile. Owned by this object.
  [[nodiscard]] int fd() const;

 private:
  struct Impl;
  explicit Processes(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::cluster::local
