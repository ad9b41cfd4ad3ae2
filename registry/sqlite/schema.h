#pragma once

#include <string_view>
#include <vector>

namespace muster::registry {

/// registry.db, one entry a schema version; registry/README.md describes the tables. Entries are never
/// changed once released: an older database is brought up by the later ones.
const std::vector<std::string_view>& RegistryMigrations();

}  // namespace muster::registry
