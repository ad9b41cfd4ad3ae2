#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/sqlite/database.h"
#include "tracker/run_rules.h"
#include "tracker/series/summary.h"

/// What the rows of `series` tell of their visible points, kept by the writer.

namespace muster::tracker {

inline constexpr std::string_view kSummaryColumns =
    "latest_ts, latest_step, latest_value, latest_nan, latest_attempt, min_value, max_value";
/// From a row of which these are the columns from `first` on.
Summary TakeSummary(const sqlite::Statement& row, int first);
Status StoreSummary(sqlite::Database& db, std::int64_t series, const Summary& summary);

/// From the points.
Result<Summary> Summarize(sqlite::Database& db, std::int64_t series,
                          std::span<const Resume> resumes);
/// All series of a run, from their points: after what hides some.
Status SummarizeRun(sqlite::Database& db, std::int64_t run);
/// The step of the schema that made min_value and max_value: those of all series.
Status SummarizeAll(sqlite::Database& db);

}  // namespace muster::tracker
