#pragma once

#include <string_view>
#include <vector>

namespace muster::tracker {

/// The migrations of tracker.db, oldest first, for sqlite::Database::Migrate. A shipped step is never
/// edited. The tables are described on the page of tracker/README.md.
const std::vector<std::string_view>& TrackerMigrations();

}  // namespace muster::tracker
