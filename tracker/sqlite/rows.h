#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sqlite/database.h"
#include "tracker/run_rules.h"
#include "tracker/run_store.h"

/// Reading entities out of tracker.db, on any connection, by the writer and by readers. `row` is a table's
/// integer key.

namespace muster::tracker {

/// Calls `take` with each row.
template <typename Take>
Status ForEachRow(sqlite::Statement& statement, Take take) {
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return Ok();
    take(statement);
  }
}

struct ExperimentRow {
  std::int64_t row = 0;
  std::string artifact_location;
};
struct RunRow {
  std::int64_t row = 0;
  std::int64_t experiment = 0;
  bool deleted = false;
};

/// kNotFound; kInvalid for an id that is no number.
Result<Experiment> ReadExperiment(sqlite::Database& db, std::string_view experiment_id);
Result<Experiment> ReadExperimentByName(sqlite::Database& db, std::string_view name);
/// kNotFound; kInvalid when it is deleted.
Result<ExperimentRow> ActiveExperiment(sqlite::Database& db, std::string_view experiment_id);

Result<RunRow> FindRun(sqlite::Database& db, const RunId& run_id);
/// FindRun; kInvalid when it is deleted.
Result<RunRow> ActiveRun(sqlite::Database& db, const RunId& run_id);
/// To be completed with WHERE; TakeRunInfo reads such a row.
inline constexpr std::string_view kSelectRunInfo =
    "SELECT id, run_id, experiment, name, user_id, artifact_uri, status, start_time_ms, "
    "end_time_ms, deleted FROM runs";
RunInfo TakeRunInfo(const sqlite::Statement& row);
Result<RunInfo> ReadRunInfo(sqlite::Database& db, std::int64_t row);
Result<Run> ReadRun(sqlite::Database& db, std::int64_t row);
/// Those of `rows`, in their order, by one statement a table: a page of a search.
Result<std::vector<Run>> ReadRuns(sqlite::Database& db, const std::vector<std::int64_t>& rows,
                                  const RunParts& parts = {});
Result<std::vector<Resume>> ReadResumes(sqlite::Database& db, std::int64_t run_row);

/// Deleted ones, too. kNotFound.
Result<std::int64_t> FindLoggedModel(sqlite::Database& db, std::string_view model_id);
Result<LoggedModel> ReadLoggedModel(sqlite::Database& db, std::int64_t row);

/// The rows (key, value) of params, tags and their like, by key. `table` and `owner` are ours.
Result<std::vector<Tag>> ReadTags(sqlite::Database& db, std::string_view table,
                                  std::string_view owner, std::int64_t row);
/// Nothing when there is no such key.
Result<std::optional<std::string>> ReadTag(sqlite::Database& db, std::string_view table,
                                           std::string_view owner, std::int64_t row,
                                           std::string_view key);
/// Inserts or replaces one.
Status WriteTag(sqlite::Database& db, std::string_view table, std::string_view owner,
                std::int64_t row, const Tag& tag);

/// A run's; the tag mlflow.runName names it, too.
Status WriteRunTag(sqlite::Database& db, std::int64_t run_row, const Tag& tag);

/// NaN as it is stored, see schema.cc.
double StoredValue(double value);
double LoadedValue(double value, bool nan);

}  // namespace muster::tracker
