#pragma once

#include "runtime/base/result.h"
#include "runtime/coordinator/event.h"
#include "runtime/sqlite/database.h"

namespace muster::journal {

/// Brings the tables beside the events up to date with one event, inside the caller's transaction. kFenced
/// when it ends a trial whose live attempt is another one.
Status ApplyToTables(sqlite::Database& database, const coordinator::Event& event);

}  // namespace muster::journal
