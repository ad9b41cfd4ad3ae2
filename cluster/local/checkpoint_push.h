#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/checkpoint_copies.h"
#include "cluster/local/process_table.h"
#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "runtime/wire/messages.h"

/// Checkpoints on a node that does not share the server's folder of them, as its shim sees it:
///   1. Before it is ready the shim has `muster checkpoints pull` make AttemptFolder::checkpoints() what the server has of
///      the trial, or of the checkpoint that a clone starts from. The ranks are told that folder.
///   2. A record that names a checkpoint (kCheckpoint, kResult) goes to the spool, and is acknowledged to its rank, once
///      `muster checkpoints push` has made the server's folder what this one is. Until then the rank writes nothing there
///      (runtime/wire/trial_record.h).
///   3. What a program saved without a record is pushed when its last rank ends well (0, or 75: "resume me").
///   4. What a kill leaves: the server has the old files or the new ones; of this node's nobody knows.
/// Both programs carry the attempt's mark, and end with it.

namespace muster::cluster::local {

/// In the root of all checkpoints; reads Prepare::checkpoint_store.
inline constexpr const char* kCheckpointStore = ".store";

/// Whether the node sees the server's folder; true as well where there is no other way to it. May wait for a file server.
bool SharesCheckpoints(const wire::Prepare& prepare);

/// Waits until the folder is there and whole. A pull that ends otherwise is followed by another, which goes on where it
/// was, until two in a row brought nothing: kUnavailable with the last words of the program.
Status PullCheckpoints(const AttemptFolder& folder, const std::string& home_id);

/// How `muster checkpoints push` ends when all is there but the copy for clones.
inline constexpr int kPushedNotKept = 10;

/// One push at a time. One thread.
class CheckpointPush {
 public:
  /// `prepare` as the coordinator said it. The folder is what was pulled.
  CheckpointPush(const AttemptFolder& folder, std::string home_id, const wire::Prepare& prepare);

  /// Does the line go nowhere before a push?
  [[nodiscard]] static bool IsNeededBy(std::string_view line);
  /// Starts what brings the folder as it is, for this line, or for none; nothing while one runs, or for some seconds after
  /// one failed, which is logged. True where there is nothing to bring.
  bool Begin(std::string_view line, MonotonicTime now);
  /// True once after each that has done it.
  bool Reap(MonotonicTime now);
  /// Of what runs; pid 0: nothing does.
  [[nodiscard]] const ProcessId& process() const { return process_; }
  /// The line with its file named as on the server, and `kept` as it is.
  [[nodiscard]] std::string Published(std::string_view line) const;

 private:
  AttemptFolder folder_;
  std::string home_id_, place_;  ///< the server's name of the folder
  CheckpointKeeper keeper_;
  int first_rank_ = 0;
  ProcessId process_;
  std::size_t brought_ = 0, bringing_ = 0;  ///< StampOf the folder that the server has, and gets
  std::optional<std::int64_t> keep_;        ///< the step of which a copy was asked for
  int failures_ = 0;                        ///< in a row
  MonotonicTime not_before_{};
};

}  // namespace muster::cluster::local
