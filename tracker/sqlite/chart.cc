#include "tracker/series/chart.h"

#include "tracker/run_rules.h"
#include "tracker/sqlite/outline.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

using sqlite::Database;

Result<std::vector<Bucket>> ReadChart(Database& db, const RunId& run_id, std::string_view key,
                                      const ChartWindow& window) {
  MUSTER_RETURN_IF_ERROR(CheckChartWindow(window));
  const auto run = FindRun(db, run_id);
  if (!run && run.error().kind == ErrorKind::kNotFound) return std::vector<Bucket>();
  if (!run) return run.error();
  MUSTER_ASSIGN_OR_RETURN(const auto series, FindSeries(db, run->row, key));
  if (!series) return std::vector<Bucket>();
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run->row));
  MUSTER_ASSIGN_OR_RETURN(const Outline outline, ReadOutline(db, *series, resumes));
  if (outline.empty()) return std::vector<Bucket>();
  MUSTER_ASSIGN_OR_RETURN(const auto ends, EndsOf(db, window.axis, outline, resumes));
  return ColumnsOf(db, WithEnds(window, ends.first, ends.second), outline, resumes);
}

}  // namespace muster::tracker
