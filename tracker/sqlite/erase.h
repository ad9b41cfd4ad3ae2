#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/run_eraser.h"
#include "tracker/sqlite/open_series.h"

/// Deleting for good: the statements behind RunEraser's methods of the same name.

namespace muster::tracker {

/// How much one step removes: a row counts 1, a chunk one more for each page that its bytes fill.
inline constexpr std::int64_t kEraseStep = 1'000;
inline constexpr std::size_t kMostErasedAtOnce = 1'000;

// On a reader's connection.
Result<ErasablePage> FindErasableRows(sqlite::Database& db, ErasableKind kind,
                                      const ErasureScope& scope, std::int64_t most,
                                      std::string_view page_token, bool weigh);
Result<std::vector<ErasedRoot>> ReadErasedRoots(sqlite::Database& db, std::string_view after,
                                                std::int64_t most);

// Inside the writer's transaction.
Result<std::vector<Erasable>> MarkErased(sqlite::Database& db, const std::vector<Erasable>& things,
                                         UnixMillis deleted_before);
Result<ErasedRows> EraseSomeRows(sqlite::Database& db, OpenSeriesCache& cache);
Status ForgetRoots(sqlite::Database& db, const std::vector<std::string>& artifact_uris);

}  // namespace muster::tracker
