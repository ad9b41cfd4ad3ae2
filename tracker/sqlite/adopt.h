#pragma once

#include <string>

#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

/// What an import brings, inside the writer's transaction; as the RunStore methods of the same name.

namespace muster::tracker {

Result<std::string> AdoptExperimentRow(sqlite::Database& db, const Experiment& experiment,
                                       const std::string& artifact_root, UnixMillis now);
Result<bool> AdoptRunRow(sqlite::Database& db, const RunInfo& info);
Result<bool> AdoptLoggedModelRow(sqlite::Database& db, const LoggedModel& model);

}  // namespace muster::tracker
