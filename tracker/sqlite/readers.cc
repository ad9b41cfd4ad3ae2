#include "tracker/sqlite/readers.h"

namespace muster::tracker {

Result<sqlite::Database> Readers::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      sqlite::Database db = std::move(idle_.back());
      idle_.pop_back();
      return db;
    }
  }
  MUSTER_ASSIGN_OR_RETURN(
      sqlite::Database db,
      sqlite::Database::Open(file_, {.read_only = true, .full_sync = false, .vfs = vfs_}));
  // MLflow's LIKE minds the case.
  MUSTER_RETURN_IF_ERROR(db.Execute("PRAGMA case_sensitive_like=ON"));
  return db;
}

void Readers::Give(sqlite::Database db) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(db));
}

}  // namespace muster::tracker
