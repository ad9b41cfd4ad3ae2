#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"

namespace muster::tracker {

using sqlite::Database;
using sqlite::Statement;

Result<Page<Metric>> ReadHistory(Database& db, const RunId& run_id, std::string_view key,
                                 std::int64_t max_results, std::string_view page_token) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(max_results, kMaxHistoryPage));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t offset, filter::PageOffset(page_token));
  Page<Metric> page;
  const auto run = FindRun(db, run_id);
  if (!run && run.error().kind == ErrorKind::kNotFound) return page;
  if (!run) return run.error();
  Statement rows = db.Prepare(
      "SELECT p.ts, p.step, p.value, p.nan, p.attempt FROM series s JOIN points p "
      "ON p.series = s.id WHERE s.run = ? AND s.key = ? AND NOT EXISTS "
      "(SELECT 1 FROM resumes z WHERE z.run = ? AND p.attempt > 0 AND p.attempt < z.attempt "
      "AND p.step > z.step) ORDER BY p.ts, p.step, p.value, p.nan LIMIT ? OFFSET ?");
  rows.BindAll(run->row, key, run->row, max_results + 1, offset);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return page;
    if (std::ssize(page.items) == max_results) {
      page.next_page_token = filter::PageToken(offset + max_results);
      return page;
    }
    page.items.push_back({.key = std::string(key),
                          .value = LoadedValue(rows.Double(2), rows.Int(3) != 0),
                          .timestamp_ms = rows.Int(0),
                          .step = rows.Int(1),
                          .attempt = rows.Int(4)});
  }
}

}  // namespace muster::tracker
