#pragma once

#include <filesystem>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/sqlite/database.h"

namespace muster::tracker {

/// Reading connections of one WAL database, opened when all others are busy and kept. Any thread.
class Readers {
 public:
  /// `vfs`: see sqlite::OpenOptions.
  explicit Readers(std::filesystem::path file, const char* vfs = nullptr)
      : file_(std::move(file)), vfs_(vfs) {}

  /// Calls `read(Database&)` in a read transaction, so that all its statements see one state.
  template <typename Read>
  auto With(Read read) -> decltype(read(std::declval<sqlite::Database&>())) {
    MUSTER_ASSIGN_OR_RETURN(sqlite::Database db, Take());
    MUSTER_RETURN_IF_ERROR(db.Prepare("BEGIN").Run());
    auto answer = read(db);
    const Status end = db.Prepare("COMMIT").Run();
    // A connection that cannot end its transaction is dropped with it.
    if (end.ok()) Give(std::move(db));
    return answer;
  }

 private:
  Result<sqlite::Database> Take();
  void Give(sqlite::Database db);

  const std::filesystem::path file_;
  const char* const vfs_;
  std::mutex mutex_;                    // guards idle_
  std::vector<sqlite::Database> idle_;  // as many as have ever read at once
};

}  // namespace muster::tracker
