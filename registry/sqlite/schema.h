#pragma once

#include <vector>

#include "runtime/sqlite/database.h"

namespace muster::registry {

/// registry.db, one entry a schema version; registry/README.md describes the tables. Entries are never
/// changed once released: an older database is brought up by the later ones.
const std::vector<sqlite::Migration>& RegistryMigrations();

}  // namespace muster::registry
