#pragma once

#include <string>

#include "runtime/coordinator/state.h"
#include "runtime/sqlite/database.h"

namespace muster::sim {

/// Holds the tables of a coordinator.db against the state that its events give: the first difference, empty
/// when there is none.
std::string CompareTables(sqlite::Database& database, const coordinator::State& state);

}  // namespace muster::sim
