#include <algorithm>
#include <limits>

#include "tracker/run_rules.h"
#include "tracker/sqlite/outline.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

struct RankSeries {
  std::int64_t id = 0;
  RankPlace place;
  Point last;
  Outline outline;
};

/// Those with a visible point, by rank.
Result<std::vector<RankSeries>> ReadSeries(Database& db, std::int64_t run, std::string_view key,
                                           std::span<const Resume> resumes) {
  std::vector<RankSeries> all;
  Statement rows = db.Prepare(
      "SELECT s.id, s.rank, r.node, r.gpu, s.latest_ts, s.latest_step, s.latest_value, "
      "s.latest_nan, s.latest_attempt FROM series s "
      "LEFT JOIN ranks r ON r.run = s.run AND r.rank = s.rank "
      "WHERE s.run = ? AND s.key = ? AND s.rank >= 0 AND s.latest_value IS NOT NULL "
      "ORDER BY s.rank");
  rows.BindAll(run, key);
  MUSTER_RETURN_IF_ERROR(ForEachRow(rows, [&](Statement& row) {
    RankSeries& series = all.emplace_back();
    series.id = row.Int(0);
    series.place.rank = static_cast<int>(row.Int(1));
    if (!row.IsNull(2)) series.place.node = row.Text(2);
    if (!row.IsNull(3)) series.place.gpu = static_cast<int>(row.Int(3));
    series.last = {row.Int(4), row.Int(5), LoadedValue(row.Double(6), row.Int(7) != 0), row.Int(8)};
  }));
  for (RankSeries& series : all) {
    MUSTER_ASSIGN_OR_RETURN(series.outline, ReadOutline(db, series.id, resumes));
  }
  return all;
}

/// With the ends of all series where none are given, and as few columns as many points ask for.
Result<ChartWindow> CommonWindow(Database& db, ChartWindow window,
                                 const std::vector<RankSeries>& all,
                                 std::span<const Resume> resumes) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::int64_t first = Limits::max(), last = Limits::min();
  for (const RankSeries& series : all) {
    MUSTER_ASSIGN_OR_RETURN(const auto ends, EndsOf(db, window.axis, series.outline, resumes));
    first = std::min(first, ends.first);
    last = std::max(last, ends.second);
  }
  window = WithEnds(window, first, last);
  std::size_t points = 0;
  for (const RankSeries& series : all) points += series.outline.PointsIn(window);
  window.pixels = RankColumns(window.pixels, all.size(), points);
  return window;
}

}  // namespace

Result<RankCurves> ReadRankCurves(Database& db, const RunId& run_id, std::string_view key,
                                  const ChartWindow& window) {
  MUSTER_RETURN_IF_ERROR(CheckRankWindow(window));
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, FindRun(db, run_id));
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run.row));
  MUSTER_ASSIGN_OR_RETURN(const auto all, ReadSeries(db, run.row, key, resumes));
  RankCurves curves{.window = window};
  if (all.empty()) return curves;
  MUSTER_ASSIGN_OR_RETURN(curves.window, CommonWindow(db, window, all, resumes));
  for (const RankSeries& series : all) {
    RankCurve& curve =
        curves.ranks.emplace_back(RankCurve{.place = series.place, .last = series.last});
    MUSTER_ASSIGN_OR_RETURN(curve.columns, ColumnsOf(db, curves.window, series.outline, resumes));
    MUSTER_ASSIGN_OR_RETURN(curve.recent, RecentOf(db, series.outline, kRecentPoints));
  }
  return curves;
}

}  // namespace muster::tracker
