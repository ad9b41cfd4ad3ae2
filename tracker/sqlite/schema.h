#pragma once

#include <vector>

#include "runtime/sqlite/database.h"

namespace muster::tracker {

/// The migrations of tracker.db, oldest first, for sqlite::Database::Migrate. A shipped step is never
/// edited. The tables are described on the page of tracker/README.md.
const std::vector<sqlite::Migration>& TrackerMigrations();

}  // namespace muster::tracker
