#include "tracker/sqlite/check.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "tracker/run_rules.h"
#include "tracker/series/bucket.h"
#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/schema.h"
#include "tracker/sqlite/series_points.h"
#include "tracker/sqlite/series_summary.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// Calls `take` with each row.
template <typename Take>
Status ForEach(Statement& rows, Take take) {
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return Ok();
    MUSTER_RETURN_IF_ERROR(take(rows));
  }
}

class Checker {
 public:
  Checker(Database& db, CheckReport& report) : db_(db), report_(report) {}

  Status Run() {
    MUSTER_RETURN_IF_ERROR(CheckVersion());
    MUSTER_RETURN_IF_ERROR(CheckPages());
    MUSTER_RETURN_IF_ERROR(CheckOwners());
    MUSTER_RETURN_IF_ERROR(CheckTail());
    MUSTER_RETURN_IF_ERROR(CheckChunks());
    return CheckLatest();
  }

 private:
  void Wrong(std::string problem) {
    if (report_.problems.size() < CheckReport::kMostProblems) {
      report_.problems.push_back(std::move(problem));
    }
  }

  Status CheckVersion() {
    Statement row = db_.Prepare("PRAGMA user_version");
    MUSTER_RETURN_IF_ERROR(row.Step());
    const auto known = std::ssize(TrackerMigrations());
    if (row.Int(0) == known) return Ok();
    return Unsupported("schema version " + std::to_string(row.Int(0)) + ", wanted " +
                       std::to_string(known) +
                       "; a server that opens the file brings an older one up to date");
  }

  Status CheckPages() {
    Statement pages = db_.Prepare("PRAGMA integrity_check(20)");
    MUSTER_RETURN_IF_ERROR(ForEach(pages, [&](Statement& row) {
      if (row.Text(0) != "ok") Wrong("SQLite: " + std::string(row.Text(0)));
      return Ok();
    }));
    Statement keys = db_.Prepare("PRAGMA foreign_key_check");
    return ForEach(keys, [&](Statement& row) {
      Wrong("row " + std::to_string(row.Int(1)) + " of " + std::string(row.Text(0)) +
            " names a row of " + std::string(row.Text(2)) + " that is not there");
      return Ok();
    });
  }

  Status CheckOwners() {
    for (const std::string table : {"tail", "chunks"}) {
      Statement rows = db_.Prepare("SELECT DISTINCT series FROM " + table +
                                   " WHERE series NOT IN (SELECT id FROM series)");
      MUSTER_RETURN_IF_ERROR(ForEach(rows, [&](Statement& row) {
        Wrong(table + " holds points of series " + std::to_string(row.Int(0)) +
              ", which is not there");
        return Ok();
      }));
    }
    Statement rows = db_.Prepare(
        "SELECT s.id FROM series s JOIN runs r ON r.id = s.run WHERE s.experiment <> r.experiment");
    return ForEach(rows, [&](Statement& row) {
      Wrong("series " + std::to_string(row.Int(0)) + " has another experiment than its run");
      return Ok();
    });
  }

  Status CheckTail() {
    Statement rows = db_.Prepare("SELECT series, seq, points FROM tail");
    return ForEach(rows, [&](Statement& row) {
      std::vector<Point> points;
      ++report_.tail_rows;
      if (const Status status = DecodeChunk(row.Text(2), points); !status.ok()) {
        Wrong("row (" + std::to_string(row.Int(0)) + ", " + std::to_string(row.Int(1)) +
              ") of tail: " + status.error().message);
      }
      return Ok();
    });
  }

  /// What a chunk's row says of its points, against them.
  void CheckSummary(Statement& row, const std::vector<Point>& points) {
    const std::string name = "row " + std::to_string(row.Int(0)) + " of chunks";
    const Point first{row.Int(2), row.Int(3), LoadedValue(row.Double(4), row.Int(5) != 0), 0};
    if (!Same(first, points.front())) Wrong(name + " begins with another point than it says");
    if (row.Int(6) != std::ssize(points)) Wrong(name + " has another number of points");
    if (row.Int(7) != std::ranges::max(points, {}, &Point::step).step ||
        row.Int(8) != std::ranges::min(points, {}, &Point::attempt).attempt ||
        (row.Int(9) != 0) != std::ranges::is_sorted(points, {}, &Point::step)) {
      Wrong(name + " has other steps or attempts than it says");
    }
    if (row.Text(10) != EncodeBuckets(points)) Wrong(name + " has other buckets than its points");
  }

  Status CheckChunks() {
    Statement rows = db_.Prepare(
        "SELECT id, series, first_ts, first_step, first_value, first_nan, points, max_step, "
        "min_attempt, by_step, buckets, data FROM chunks ORDER BY series, first_ts, first_step, "
        "first_value, first_nan");
    std::optional<Point> before;
    std::int64_t series = 0;
    return ForEach(rows, [&](Statement& row) {
      ++report_.chunks;
      std::vector<Point> points;
      if (const Status status = DecodeChunk(row.Text(11), points); !status.ok()) {
        Wrong("row " + std::to_string(row.Int(0)) + " of chunks: " + status.error().message);
        return Ok();
      }
      CheckSummary(row, points);
      if (row.Int(1) == series && before && !Before(*before, points.front())) {
        Wrong("row " + std::to_string(row.Int(0)) + " of chunks begins before the one before ends");
      }
      series = row.Int(1);
      before = points.back();
      return Ok();
    });
  }

  Status CheckLatest() {
    {
      Statement runs = db_.Prepare("SELECT count(*) FROM runs WHERE deleted < 2");
      MUSTER_RETURN_IF_ERROR(runs.Step());
      report_.runs = runs.Int(0);
    }
    Statement rows = db_.Prepare("SELECT id, run, " + std::string(kSummaryColumns) +
                                 " FROM series WHERE run NOT IN (SELECT id FROM runs WHERE "
                                 "deleted = 2) ORDER BY run");
    return ForEach(rows, [&](Statement& row) -> Status {
      ++report_.series;
      MUSTER_ASSIGN_OR_RETURN(const auto resumes, ReadResumes(db_, row.Int(1)));
      Summary seen;
      const Status read =
          VisitPoints(db_, row.Int(0), std::nullopt, [&](std::span<const Point> points) {
            report_.points += std::ssize(points);
            for (const Point& point : points) {
              if (!IsHidden(point.attempt, point.step, resumes)) seen.Add(point);
            }
            return true;
          });
      if (!read.ok()) return Ok();  // told of by CheckChunks or CheckTail
      const Summary told = TakeSummary(row, 2);
      const std::string name = "series " + std::to_string(row.Int(0));
      const bool latest = seen.latest && told.latest
                              ? Same(*seen.latest, *told.latest)
                              : seen.latest.has_value() == told.latest.has_value();
      if (!latest) Wrong(name + " has another latest point");
      if (latest && (seen.min != told.min || seen.max != told.max)) {
        Wrong(name + " has another min or max");
      }
      return Ok();
    });
  }

  Database& db_;
  CheckReport& report_;
};

}  // namespace

Result<CheckReport> CheckTrackerDatabase(const std::filesystem::path& file, const char* vfs) {
  MUSTER_ASSIGN_OR_RETURN(
      Database db, Database::Open(file, {.read_only = true, .full_sync = false, .vfs = vfs}));
  CheckReport report;
  // One state, while others write.
  MUSTER_RETURN_IF_ERROR(db.Prepare("BEGIN").Run());
  const Status status = Checker(db, report).Run();
  (void)db.Prepare("COMMIT").Run();
  if (!status.ok()) return status.error().With(file.string());
  return report;
}

}  // namespace muster::tracker
