#include "tracker/sqlite/series_summary.h"

#include <cmath>
#include <vector>

#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::int64_t kRunsACommit = 500;

void BindOptional(Statement& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.Bind(index, *value);
  } else {
    statement.BindNull(index);
  }
}

/// What the statement's only column answers.
Result<std::vector<std::int64_t>> Numbers(Statement rows) {
  std::vector<std::int64_t> numbers;
  MUSTER_RETURN_IF_ERROR(
      ForEachRow(rows, [&](const Statement& row) { numbers.push_back(row.Int(0)); }));
  return numbers;
}

}  // namespace

Summary TakeSummary(const Statement& row, int first) {
  Summary summary;
  if (row.IsNull(first)) return summary;
  summary.latest =
      Point{row.Int(first), row.Int(first + 1),
            LoadedValue(row.Double(first + 2), row.Int(first + 3) != 0), row.Int(first + 4)};
  if (!row.IsNull(first + 5)) summary.min = row.Double(first + 5);
  if (!row.IsNull(first + 6)) summary.max = row.Double(first + 6);
  return summary;
}

Status StoreSummary(Database& db, std::int64_t series, const Summary& summary) {
  Statement update = db.Prepare(
      "UPDATE series SET latest_ts = ?, latest_step = ?, latest_value = ?, latest_nan = ?, "
      "latest_attempt = ?, min_value = ?, max_value = ? WHERE id = ?");
  if (const auto& latest = summary.latest) {
    update.Bind(0, latest->ts_ms)
        .Bind(1, latest->step)
        .Bind(2, StoredValue(latest->value))
        .Bind(3, int{std::isnan(latest->value)})
        .Bind(4, latest->attempt);
  } else {
    for (int column = 0; column < 5; ++column) update.BindNull(column);
  }
  BindOptional(update, 5, summary.min);
  BindOptional(update, 6, summary.max);
  return update.Bind(7, series).Run();
}

Result<Summary> Summarize(Database& db, std::int64_t series, std::span<const Resume> resumes) {
  Summary summary;
  MUSTER_RETURN_IF_ERROR(
      VisitVisible(db, series, resumes, [&](const Point& point) { summary.Add(point); }));
  return summary;
}

Status SummarizeRun(Database& db, std::int64_t run) {
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run));
  Statement rows = db.Prepare("SELECT id FROM series WHERE run = ?");
  rows.Bind(0, run);
  MUSTER_ASSIGN_OR_RETURN(const auto all, Numbers(std::move(rows)));
  for (const std::int64_t series : all) {
    MUSTER_ASSIGN_OR_RETURN(const Summary summary, Summarize(db, series, resumes));
    MUSTER_RETURN_IF_ERROR(StoreSummary(db, series, summary));
  }
  return Ok();
}

Status SummarizeAll(Database& db) {
  std::int64_t last = 0;
  for (bool more = true; more;) {
    MUSTER_RETURN_IF_ERROR(db.Transact([&]() -> Status {
      Statement rows = db.Prepare("SELECT id FROM runs WHERE id > ? ORDER BY id LIMIT ?");
      rows.BindAll(last, kRunsACommit);
      MUSTER_ASSIGN_OR_RETURN(const auto runs, Numbers(std::move(rows)));
      for (const std::int64_t run : runs) MUSTER_RETURN_IF_ERROR(SummarizeRun(db, run));
      more = !runs.empty();
      if (more) last = runs.back();
      return Ok();
    }));
  }
  return Ok();
}

}  // namespace muster::tracker
