#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "runtime/base/clock.h"
#include "tracker/run_store.h"

namespace muster::tracker {

struct SqliteRunStoreOptions {
  /// What the artifact_location of an experiment without one begins with.
  std::string artifact_root = "mlflow-artifacts:";
  /// See sqlite::OpenOptions: a simulated disk, for tests.
  const char* vfs = nullptr;
};

/// The run store on tracker.db. One writer with group commit (a call's `done` waits for an fsync), readers on
/// connections of their own, which never wait for the writer. Destroying it commits what is queued first; no
/// call may be under way then. `clock` outlives it. kUnsupported for a file of a newer muster, kIo, kCorrupt.
Result<std::unique_ptr<RunStore>> OpenSqliteRunStore(const std::filesystem::path& file,
                                                     const Clock& clock,
                                                     SqliteRunStoreOptions options = {});

}  // namespace muster::tracker
