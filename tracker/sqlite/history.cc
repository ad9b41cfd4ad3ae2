#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/series_points.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

/// A page begins after a point, which its token names: "p<ts>_<step>_<bits of the value>". So points that
/// arrive between two pages move nothing, and no page costs more than another. MLflow's own tokens, which clients make
/// at times, name how many points come before.
std::string TokenOf(const Point& point) {
  return "p" + std::to_string(point.ts_ms) + "_" + std::to_string(point.step) + "_" +
         std::to_string(std::bit_cast<std::uint64_t>(point.value));
}

/// Nothing for a token that names none.
std::optional<Point> PointOf(std::string_view token) {
  Point point;
  std::uint64_t bits = 0;
  const char* at = token.data();
  const char* const end = at + token.size();
  const auto take = [&](char before, auto& number) {
    if (at == end || *at != before) return false;
    const auto [stop, error] = std::from_chars(at + 1, end, number);
    at = stop;
    return error == std::errc();
  };
  if (!take('p', point.ts_ms) || !take('_', point.step) || !take('_', bits) || at != end) {
    return std::nullopt;
  }
  point.value = std::bit_cast<double>(bits);
  return point;
}

}  // namespace

Result<Page<Metric>> ReadHistory(Database& db, const RunId& run_id, const SeriesKey& key,
                                 std::int64_t max_results, std::string_view page_token) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(max_results, kMaxHistoryPage));
  const std::optional<Point> after = PointOf(page_token);
  std::int64_t skip = 0;
  if (!after) {
    MUSTER_ASSIGN_OR_RETURN(skip, filter::PageOffset(page_token));
  }
  Page<Metric> page;
  const auto run = FindRun(db, run_id);
  if (!run && run.error().kind == ErrorKind::kNotFound) return page;
  if (!run) return run.error();
  MUSTER_ASSIGN_OR_RETURN(const auto series, FindSeries(db, run->row, key));
  if (!series) return page;
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Resume> resumes, ReadResumes(db, run->row));
  Point last;
  MUSTER_RETURN_IF_ERROR(VisitPoints(db, *series, after, [&](std::span<const Point> points) {
    for (const Point& point : points) {
      if (IsHidden(point.attempt, point.step, resumes) || skip-- > 0) continue;
      if (std::ssize(page.items) == max_results) {
        page.next_page_token = TokenOf(last);
        return false;
      }
      last = point;
      page.items.push_back({.key = std::string(key.key),
                            .value = point.value,
                            .timestamp_ms = point.ts_ms,
                            .step = point.step,
                            .attempt = point.attempt,
                            .rank = key.rank});
    }
    return true;
  }));
  return page;
}

}  // namespace muster::tracker
