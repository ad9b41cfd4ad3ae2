#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/random.h"

/// A disk and the kernel's cache before it, as a database sees them: what was written can be read at once,
/// and survives a power loss only when it was synced. `disk_vfs.h` puts SQLite on it.
///
/// What a power loss leaves of the writes since the last sync: of each sector some of them, none or all,
/// whatever their order was; of a file that grew, zeros where its data did not arrive. The first sync of a
/// new file syncs its folder too (unix.c does so for journals), which makes names and removals durable.

namespace muster::sim {

class Disk {
 public:
  enum class Failure {
    kFull,   ///< a short write, then ENOSPC
    kWrite,  ///< a short write, then EIO
    kSync,  ///< EIO, and the kernel may drop what it was to write and call it written (fsync's gate)
    kRead,  ///< EIO
  };

  explicit Disk(Random random) : random_(random) {}

  // --- what happens to it ---
  /// The next `after` changes (writes, cuts, syncs, removals) go well; the one after them kills the process
  /// that asked for it: nothing of it or of anything later happens, until Restart.
  void DieAfter(std::int64_t after) { dies_at_ = changes_ + after; }
  /// Whatever the process that used it still does has no effect, until Restart.
  void Kill() { dead_ = true; }
  /// A power loss: the machine comes back with what had arrived.
  void LosePower();
  /// The next operations of this kind fail, each with the chance.
  void FailFrom(Failure failure, double chance) {
    failing_ = {failure, chance};
    failed_ = false;
  }
  void Mend() { failing_.reset(); }
  /// Something has failed since FailFrom, or the process died.
  [[nodiscard]] bool Failed() const { return failed_ || dead_; }
  /// For another process; the one that died has let go of its files.
  void Restart();
  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] std::int64_t changes() const { return changes_; }

  // --- what a process does with a file ---
  enum class Result { kOk, kFull, kError };
  void Create(const std::string& name);
  [[nodiscard]] bool Exists(const std::string& name) const;
  Result Read(const std::string& name, std::int64_t offset, char* data, std::int64_t size,
              std::int64_t& got);
  Result Write(const std::string& name, std::int64_t offset, std::string_view data);
  Result Truncate(const std::string& name, std::int64_t size);
  Result Sync(const std::string& name);
  Result Remove(const std::string& name, bool sync_folder);
  [[nodiscard]] std::int64_t SizeOf(const std::string& name) const;

 private:
  struct Change {
    std::int64_t offset = 0;
    std::string data;
    std::optional<std::int64_t> cut;  ///< a truncation to this size instead
  };
  struct File {
    std::string now;     ///< as processes see it
    std::string stored;  ///< as a power loss would leave it at least
    std::vector<Change> unsynced;
    bool named = false;    ///< its name survives a power loss
    bool removed = false;  ///< gone for processes; a power loss may bring it back
  };
  static void Apply(std::string& content, const Change& change);
  void SyncFolder();
  File* Find(const std::string& name);
  [[nodiscard]] bool Fails(Failure failure);
  bool Dies();

  Random random_;
  std::map<std::string, File> files_;
  std::int64_t changes_ = 0;
  std::optional<std::int64_t> dies_at_;
  bool dead_ = false;
  struct Failing {
    Failure failure;
    double chance;
  };
  std::optional<Failing> failing_;
  bool failed_ = false;
};

}  // namespace muster::sim
