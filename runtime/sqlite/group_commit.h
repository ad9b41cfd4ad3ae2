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

  /// Takes over `database`; at most `most_queued` writes wait, a further Write blocks its caller.
  explicit GroupCommit(Database database, std::size_t most_queued = 100'000);
  /// Commits what is queued, then ends.
  ~GroupCommit();

  /// Runs `work` on the writer's thread in a savepoint of its own: when it fails its changes are undone,
  /// and its neighbours' are not. `done` is called on that thread, once: after the commit is durable, with
  /// the work's own error, or with the one (a full disk, the commit's) that undid the whole group. Order is kept. From any
  /// thread, also from `done`.
  void Write(Work work, Done done);
  /// As Write, and waits. Not from the writer's thread.
  Status WriteAndWait(Work work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sqlite
