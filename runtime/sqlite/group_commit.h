#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "runtime/base/result.h"
#include "runtime/sqlite/database.h"

namespace muster::sqlite {

/// One thread that owns a writing connection. What is queued while a commit runs goes into the next one
/// together, so a thousand small writes a second cost as many fsyncs as the disk does, not as many as there
/// are writes; a lone write commits at once.
class GroupCommit {
 public:
  using Work = std::function<Status(Database&)>;
  using Done = std::function<void(Status)>;

  struct Options {
    /// What waits at most: so many writes, that say of themselves that they hold so many bytes.
    std::size_t most_queued = 20'000;
    std::size_t most_queued_bytes = 64 << 20;
    /// Called on the writer's thread when a whole group was undone, before any `done` of it: for whoever
    /// remembers what the database holds.
    std::function<void()> undone;
    /// Called on the writer's thread after a group was committed and told.
    std::function<void(Database&)> committed;
  };

  /// Takes over `database`.
  explicit GroupCommit(Database database) : GroupCommit(std::move(database), Options()) {}
  GroupCommit(Database database, Options options);
  /// Commits what is queued, then ends.
  ~GroupCommit();

  /// Runs `work` on the writer's thread in a savepoint of its own: when it fails its changes are undone,
  /// and its neighbours' are not. `done` is called once: on that thread after the commit is durable, with
  /// the work's own error, or with the one (a full disk, the commit's) that undid the whole group; or before
  /// Write returns, with kUnavailable, when too much waits already. Order is kept. From any thread, also from
  /// `done`, whose writes are always taken. `bytes` is about what `work` holds in memory.
  void Write(Work work, Done done, std::size_t bytes = 512);
  /// As Write, and waits. Not from the writer's thread.
  Status WriteAndWait(Work work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sqlite
