#pragma once

#include <cstdint>
#include <unordered_set>

#include "runtime/base/result.h"
#include "runtime/coordinator/event.h"
#include "runtime/sqlite/database.h"

namespace muster::journal {

/// The tables beside the events. One thread.
class Tables {
 public:
  /// Reads what it must know of them; once, before the first event.
  Status Open(sqlite::Database& database);
  /// Brings them up to date with one event, inside the caller's transaction. kFenced when it ends a trial whose
  /// live attempt is another one.
  Status Apply(sqlite::Database& database, const coordinator::Event& event);

 private:
  /// Attempts that have rows in `members`; it may name some that have none any more.
  std::unordered_set<std::int64_t> spread_;
};

}  // namespace muster::journal
