#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/binding.h"
#include "cluster/local/attempt_folder.h"
#include "cluster/local/cgroups.h"
#include "cluster/local/gpu_activity.h"
#include "cluster/local/order.h"
#include "cluster/local/process_table.h"
#include "cluster/local/processes.h"
#include "cluster/local/spare_folders.h"

/// The inside of Processes; nobody else includes it. One file for each thing it does: processes_start.cc,
/// processes_watch.cc, processes_inspect.cc, processes_end.cc; processes.cc holds the object and its turns.

namespace muster::cluster::local {

struct Attempt {
  explicit Attempt(AttemptFolder at) : folder(std::move(at)) {}

  AttemptFolder folder;
  wire::Prepare prepare;
  bool changed = true;               ///< since the last look; inotify says so, and every effect
  std::vector<int> watches;          ///< of inotify
  std::optional<ProcessId> spawned;  ///< the shim, until its first state is read
  std::optional<ShimState> state;
  std::pair<ino_t, std::int64_t> state_version;  ///< inode and time of the state.json that was read
  bool ready_told = false;
  bool started_told = false;
  bool over_told = false;  ///< MakeFailed or ShimLost
  bool all_told = false;
  bool empty_told = false;  ///< SlotEmpty
  std::size_t ends_told = 0;
  std::vector<RankCpus> binding;  ///< empty: its ranks are not bound
  std::optional<Order> start;     ///< until the shim has followed it
  MonotonicTime start_sent;
  std::optional<agent::ReadRecords> records_wanted;
  std::map<std::pair<int, std::string>, agent::ReadLog> logs_wanted;
  std::int64_t spool_bytes = 0;  ///< at the last look for activity
  std::int64_t cpu_ticks = 0;
  std::int64_t gpu_ms = 0;
  wire::ResourceUse seen;                      ///< while it ran, by this agent and those before
  std::map<ProcessId, std::int64_t> gpu_busy;  ///< ms of each process at the last look
  int inspecting = 0;                          ///< pid of `muster inspect`
  MonotonicTime inspect_until;
};

/// What is being killed.
struct Kill {
  MonotonicTime look_at;  ///< when the machine's processes are looked through again
  std::chrono::milliseconds look_every{};  ///< grows while it lasts
  MonotonicTime complain_at;
  /// What was seen of it. A process that ends is found by nothing any more (its environment goes first) while it still
  /// lets go of what it holds, a GPU for one.
  std::set<ProcessId> killed;
  bool shim_spared = false;  ///< it was left alone once, to count what the others had used

  /// True when all that was killed is gone.
  bool IsOver();
  /// True now and then while it lasts.
  bool IsLate(MonotonicTime now);
};

/// Of every control group's name; the home and the epoch follow.
inline constexpr std::string_view kGroupPrefix = "muster-";

struct Processes::Impl {
  explicit Impl(ProcessesOptions given) : options(std::move(given)), spares(options.attempts_dir) {}
  ~Impl();

  // Effects.
  void On(const agent::Send& /*effect*/) {}
  void On(const agent::Quit& /*effect*/) {}
  void On(const agent::MakeAttempt& effect);
  void On(const agent::StartRanks& effect);
  void On(const agent::SignalRanks& effect);
  void On(const agent::NoteEnd& effect);
  void On(const agent::KillAttempt& effect);
  void On(const agent::ReadRecords& effect);
  void On(const agent::ReadLog& effect);
  void On(const agent::ForgetAttempt& effect);
  void On(const agent::InspectHang& effect);
  void On(const agent::RenewLease& effect);

  // processes.cc
  std::optional<agent::FoundAttempt> FindIn(const std::filesystem::path& path);
  agent::FoundAttempt Adopt(Attempt& attempt);
  void DeleteOldRuns();
  void LookRegularly(MonotonicTime now);
  void LookForActivity(MonotonicTime now);
  void LookAtGpus(MonotonicTime now);

  // processes_start.cc
  Status Make(Attempt& attempt);
  Status SpawnShim(Attempt& attempt);
  void Watch(Attempt& attempt);
  void FailMake(Attempt& attempt, const std::string& message,
                wire::ExitCause cause = wire::ExitCause::kInfra);
  void CheckSpawned(Attempt& attempt);
  void SendStart(Attempt& attempt, MonotonicTime now);

  // processes_bind.cc
  void BindRanks(Attempt& attempt);
  [[nodiscard]] std::vector<int> NumaOfGpus(const wire::Prepare& prepare);

  // processes_watch.cc
  void ReadWatches();
  void Observe(Attempt& attempt);
  bool LoadState(Attempt& attempt);
  void TellState(Attempt& attempt);
  void CheckShim(Attempt& attempt);
  void ReadSpools(Attempt& attempt);
  void CheckActivity(Attempt& attempt);
  void SampleAttempt(const Attempt& attempt);
  void NoteUse(Attempt& attempt);
  bool Scan();

  // processes_inspect.cc
  void ReapInspection(Attempt& attempt, MonotonicTime now);

  // processes_end.cc: kills, over all attempts.
  void KillSome(MonotonicTime now);
  void KillProcesses(AttemptEpoch epoch, Kill& kill, MonotonicTime now);
  [[nodiscard]] bool ShimSawItEmpty(AttemptEpoch epoch);
  void SweepStrays();
  void TellEmpty(AttemptEpoch epoch, MonotonicTime now);
  [[nodiscard]] bool EmptyCgroups(AttemptEpoch epoch, Kill& kill) const;

  [[nodiscard]] AttemptFolder FolderOf(AttemptEpoch epoch) const {
    return {options.attempts_dir / std::to_string(epoch.value), options.home_id};
  }
  [[nodiscard]] std::string AddressOf(const ShimState& state) const {
    return options.address.empty() ? state.address : options.address;
  }
  Attempt* FindAttempt(AttemptEpoch epoch) {
    const auto found = attempts.find(epoch);
    return found == attempts.end() ? nullptr : &found->second;
  }

  ProcessesOptions options;
  Cgroups cgroups;
  SpareFolders spares;
  int watch_fd = -1;                    ///< inotify
  std::map<int, AttemptEpoch> watched;  ///< whose folder each watch is of
  std::map<AttemptEpoch, Attempt> attempts;
  std::map<AttemptEpoch, Kill> kills;
  std::vector<agent::Input> inputs;  ///< of the next Poll
  std::vector<int> children;         ///< killed, and to be waited for
  MonotonicTime regular_at;
  MonotonicTime activity_at;
  MonotonicTime lease;  ///< as it was written last
  /// A process with the mark of an attempt that is over may be there, which did not descend from its shim.
  bool strays = true;
  std::map<AttemptEpoch, AttemptProcesses> table;  ///< of the last scan
  bool scan_failed = false;                        ///< that one, and it was said
  std::optional<Topology> topology;                ///< once somebody was to be bound
  bool topology_failed = false;                    ///< ... and there was none
  std::unique_ptr<GpuActivity> gpus;               ///< null where nobody tells
  bool gpus_asked = false;
};

}  // namespace muster::cluster::local
