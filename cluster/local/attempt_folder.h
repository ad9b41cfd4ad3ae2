#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/binding.h"
#include "cluster/local/process_table.h"
#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

/// The folder of one attempt on a node: what agent, shim and `muster rank` tell each other through files
/// that outlive each of them. Format: cluster/README.md.

namespace muster::cluster::local {

/// Where a shim stands; a shim only moves forward.
enum class ShimPhase {
  kPrepared,  ///< waits for the order to start
  kRunning,   ///< every rank was started; `ends` grows
  kFailed,    ///< the ranks could not be started; `message` says why
};

struct RankProcess {
  int rank = 0;
  ProcessId process;
};
struct RankEnd {
  int rank = 0;
  int code = 0;  ///< exit code, or 128 + signal
  std::string text;
  bool out_of_memory = false;
  bool told =
      false;  ///< mpirun, or its daemon, had asked it to end: how it did is no news of its own
};

/// state.json, written by the shim alone.
struct ShimState {
  ShimPhase phase = ShimPhase::kPrepared;
  ProcessId shim;
  std::string address;
  int port = 0;
  std::vector<RankProcess> ranks;  ///< those that were started
  std::vector<RankEnd> ends;       ///< in the order in which they ended
  bool all_ended = false;          ///< no further rank will end
  bool empty = false;  ///< and no process is left that descends from the shim, which ends now
  std::string
      launcher_end;  ///< how mpirun, or its daemon, ended while ranks were left: "killed by signal 9 (SIGKILL)"
  std::string message;      ///< of kFailed
  ProcessId pusher;         ///< brings a checkpoint to the server (checkpoint_push.h); pid 0: none
  std::int64_t cpu_ms = 0;  ///< user and system time of all that has ended
  std::int64_t memory_bytes = 0;  ///< the most that one of those processes had
};

/// end.json, written by the agent: why it is ending the attempt.
struct EndNote {
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;
};

/// Makes a folder that nobody else may look into; kConflict when it is there and is not one of ours.
Status MakePrivate(const std::filesystem::path& folder);

/// What a child did, of a wait status.
RankEnd DescribeEnd(int rank, int wait_status);

/// Paths and typed access; holds no descriptor. There are two folders: `path` on disk, and `run` for what says how
/// processes stand and means nothing once the machine has stopped. Writes are atomic but for those of what nobody
/// reads yet.
class AttemptFolder {
 public:
  /// `home_id` is ProcessesOptions'.
  AttemptFolder(std::filesystem::path path, std::string_view home_id);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// In memory for root and system users, whose files in /dev/shm live until the machine stops. For others it is
  /// `path`: when such a user logs out, logind may clear /dev/shm (RemoveIPC=).
  [[nodiscard]] const std::filesystem::path& run() const { return run_; }
  /// Makes `run`; kConflict when somebody else has it.
  [[nodiscard]] Status MakeRun() const;
  [[nodiscard]] std::filesystem::path records() const { return path_ / "records.jsonl"; }
  [[nodiscard]] std::filesystem::path output(int rank, const std::string& stream) const;
  [[nodiscard]] std::filesystem::path params() const { return run_ / "params.json"; }
  /// Where ranks start when the trial has no working folder of its own.
  [[nodiscard]] std::filesystem::path work() const { return path_ / "work"; }
  /// MUSTER_CHECKPOINT_DIR of a node that does not share the server's (checkpoint_push.h); else it is not there.
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// Files of it while they come, under their SHA-256.
  [[nodiscard]] std::filesystem::path arriving() const { return path_ / "arriving"; }
  [[nodiscard]] std::filesystem::path launcher_log() const { return path_ / "mpirun.log"; }
  [[nodiscard]] std::filesystem::path shim_log() const { return run_ / "shim.log"; }
  [[nodiscard]] std::filesystem::path state_file() const { return run_ / "state.json"; }
  /// What MUSTER_HEARTBEAT names for a rank (runtime/agent/beat.h).
  [[nodiscard]] std::filesystem::path beat(int rank) const;
  /// What `muster inspect` found, in short.
  [[nodiscard]] std::filesystem::path hang_text() const { return path_ / "hang.txt"; }
  /// Of the node (lease.h): beside the folder that holds all attempts.
  [[nodiscard]] std::filesystem::path lease() const {
    return path_.parent_path().parent_path() / "agent.lease";
  }
  /// Sockets of ranks and agent. In `run`, or in `scratch` when that path would be too long for a unix address
  /// (108 bytes).
  [[nodiscard]] std::filesystem::path control_socket() const;
  [[nodiscard]] std::filesystem::path agent_socket() const;
  /// Shared memory and session files of Open MPI, which must not outlive the attempt: a folder in
  /// /dev/shm, or in the attempt's folder where there is none.
  [[nodiscard]] const std::filesystem::path& scratch() const { return scratch_; }

  /// In place: before the folder has the name of its epoch (spare_folders.h).
  Status WritePrepare(const wire::Prepare& prepare) const;
  /// kNotFound also when the file is empty: the machine stopped before its bytes were on the disk.
  [[nodiscard]] Result<wire::Prepare> ReadPrepare() const;
  Status WriteState(const ShimState& state) const;
  [[nodiscard]] Result<ShimState> ReadState() const;
  /// Folders of its control groups, one a line; none when there is no file.
  Status WriteCgroups(const std::vector<std::filesystem::path>& groups) const;
  [[nodiscard]] std::vector<std::filesystem::path> ReadCgroups() const;
  /// The CPUs of the ranks here; none when there is no file.
  Status WriteBinding(const std::vector<RankCpus>& ranks) const;
  [[nodiscard]] std::vector<RankCpus> ReadBinding() const;
  /// gang.json, of the gang's first node: wire::Go::parts.
  Status WriteGang(const std::vector<wire::GangPart>& parts) const;
  [[nodiscard]] Result<std::vector<wire::GangPart>> ReadGang() const;
  /// used.json, written by the agent: what the shim cannot tell, or did not live to.
  Status WriteUsed(const wire::ResourceUse& used) const;
  [[nodiscard]] Result<wire::ResourceUse> ReadUsed() const;
  Status WriteEndNote(const EndNote& note) const;
  [[nodiscard]] Result<EndNote> ReadEndNote() const;
  /// rank<k>.pid and rank<k>.exit, written by `muster rank`.
  Status WriteRankProcess(const RankProcess& process) const;
  [[nodiscard]] Result<RankProcess> ReadRankProcess(int rank) const;
  Status WriteRankEnd(const RankEnd& end) const;
  [[nodiscard]] Result<RankEnd> ReadRankEnd(int rank) const;

 private:
  [[nodiscard]] std::filesystem::path Socket(const char* name) const;

  std::filesystem::path path_;
  std::filesystem::path run_;
  std::filesystem::path scratch_;
};

}  // namespace muster::cluster::local
