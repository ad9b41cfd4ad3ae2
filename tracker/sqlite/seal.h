#pragma once

#include "tracker/sqlite/open_series.h"

namespace muster::tracker {

/// A tail of so many points is sealed.
inline constexpr std::size_t kSealPoints = 960;

/// Turns the tail of `series` into chunks: its points join the chunks among which they belong, the others make
/// new ones, and a last chunk that has room takes them in. Its rows in `tail` are gone after it. kCorrupt.
Status Seal(sqlite::Database& db, OpenSeries& series);

/// Seals what a run has in tails, but for the shortest of them: for when it ends.
Status SealRun(sqlite::Database& db, OpenSeriesCache& cache, const RunRow& run);

}  // namespace muster::tracker
