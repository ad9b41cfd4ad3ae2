#pragma once

#include "runtime/sqlite/database.h"

namespace muster::tracker {

/// The step of schema 2 to 3: the rows of `points` as chunks, series by series, in transactions of bounded
/// size. What an earlier call committed is not done again.
Status MovePoints(sqlite::Database& db);

}  // namespace muster::tracker
