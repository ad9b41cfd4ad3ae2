#include <algorithm>

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;

Place LocateMetric(std::string_view entity) {
  Place place{.from = " FROM series WHERE run = r.id AND rank = -1 AND key = ?", .keyed = true};
  if (entity == filter::kMetricMax) {
    place.column = "max_value";
  } else if (entity == filter::kMetricMin) {
    place.column = "min_value";
  } else if (entity == filter::kMetricStep) {
    place.column = "latest_step";
  } else {
    place.column = "latest_value";
    place.nan_column = "latest_nan";
  }
  return place;
}

Place LocateInRun(std::string_view entity, std::string_view key) {
  if (entity == "param") return Keyed("params", "run", "r");
  if (entity == "tag") return Keyed("tags", "run", "r");
  if (entity.starts_with("metric")) return LocateMetric(entity);
  if (entity == "dataset" && key == "context") {
    return {.column = "t.value",
            .from =
                " FROM dataset_inputs i JOIN input_tags t ON t.input = i.id "
                "WHERE i.run = r.id AND t.key = '" +
                std::string(kDatasetContextTag) + "'"};
  }
  if (entity == "dataset") {
    return {
        .column = "d." + std::string(key),
        .from = " FROM dataset_inputs i JOIN datasets d ON d.id = i.dataset WHERE i.run = r.id"};
  }
  if (key == "run_name") return {.column = "r.name"};
  if (key == "start_time" || key == "end_time") return {.column = "r." + std::string(key) + "_ms"};
  return {.column = "r." + std::string(key)};
}

constexpr std::string_view kTieBreak = "r.start_time_ms DESC, r.run_id";

/// By a metric first, within one experiment: series_by_value has its runs in that order, so that a page reads what
/// it answers and no more. Runs whose value is NaN follow, then those that lack the metric.
class ByMetric {
 public:
  ByMetric(Database& db, const SearchQuery& query, const Search& search, std::int64_t experiment)
      : db_(db), query_(query), search_(search), experiment_(experiment) {}

  Result<Page<std::int64_t>> Ids() {
    std::int64_t offset = search_.offset;
    std::vector<std::int64_t> ids;
    for (const Phase phase : {Phase::kValue, Phase::kNan, Phase::kMissing}) {
      const std::int64_t wanted = search_.most + 1 - std::ssize(ids);
      if (wanted <= 0) break;
      const std::size_t before = ids.size();
      MUSTER_RETURN_IF_ERROR(SelectIds(db_, Ordered(phase), wanted, offset, ids));
      if (ids.size() > before) {
        offset = 0;
      } else if (offset > 0 && phase != Phase::kMissing) {
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t passed, Count(phase));
        offset -= passed;
      }
    }
    return PageOf(std::move(ids), search_);
  }

 private:
  enum class Phase { kValue, kNan, kMissing };

  /// Which runs are of a phase.
  Sql Select(Phase phase, std::string_view what) const {
    const std::string& key = search_.orders.front().key;
    Sql sql;
    sql.Add("SELECT ").Add(what);
    if (phase == Phase::kMissing) {
      sql.Add(" FROM runs r WHERE r.experiment = ?", experiment_);
      sql.Add(
          " AND NOT EXISTS (SELECT 1 FROM series WHERE run = r.id AND rank = -1 AND "
          "latest_value IS NOT NULL AND key = ?)",
          key);
    } else {
      sql.Add(
          " FROM series s INDEXED BY series_by_value CROSS JOIN runs r ON r.id = s.run WHERE "
          "s.experiment = ?",
          experiment_);
      sql.Add(" AND s.key = ?", key)
          .Add(" AND s.latest_nan = ?", std::int64_t{phase == Phase::kNan});
      sql.Add(" AND s.rank = -1 AND s.latest_value IS NOT NULL");
    }
    sql.Add(ViewCondition("r", query_.view));
    AddConditions(sql, search_, LocateInRun);
    return sql;
  }

  Sql Ordered(Phase phase) const {
    Sql sql = Select(phase, "r.id");
    sql.Add(" ORDER BY ");
    if (phase == Phase::kValue)
      sql.Add(search_.orders.front().ascending ? "s.latest_value ASC, " : "s.latest_value DESC, ");
    AddOrders(sql, std::span(search_.orders).subspan(1), LocateInRun, kTieBreak);
    return sql;
  }

  Result<std::int64_t> Count(Phase phase) const {
    std::vector<std::int64_t> count;
    MUSTER_RETURN_IF_ERROR(SelectIds(db_, Select(phase, "count(*)"), 1, 0, count));
    return count.front();
  }

  Database& db_;
  const SearchQuery& query_;
  const Search& search_;
  const std::int64_t experiment_;
};

/// A filter by key leaves few runs as a rule; these are found and sorted sooner than the index is walked.
bool WalksByMetric(const Search& search) {
  return !search.orders.empty() && !search.where && search.orders.front().entity == "metric" &&
         std::ranges::all_of(search.clauses, [](const filter::Clause& clause) {
           return clause.entity == "attribute";
         });
}

/// "SELECT <what> ..." of the runs that a query means.
Sql SelectRuns(std::string_view what, const SearchQuery& query, const Search& search) {
  Sql sql;
  sql.Add("SELECT ").Add(what);
  sql.Add(" FROM runs r WHERE r.experiment IN (SELECT CAST(value AS INTEGER) FROM json_each(?))",
          JsonArray(query.experiment_ids));
  sql.Add(ViewCondition("r", query.view));
  AddConditions(sql, search, LocateInRun);
  return sql;
}

Result<Page<std::int64_t>> RunIds(Database& db, const SearchQuery& query, const Search& search) {
  if (query.experiment_ids.size() == 1 && WalksByMetric(search)) {
    MUSTER_ASSIGN_OR_RETURN(const std::int64_t experiment,
                            ParseExperimentId(query.experiment_ids.front()));
    return ByMetric(db, query, search, experiment).Ids();
  }
  Sql sql = SelectRuns("r.id", query, search);
  AddOrders(sql.Add(" ORDER BY "), search.orders, LocateInRun, kTieBreak);
  std::vector<std::int64_t> ids;
  MUSTER_RETURN_IF_ERROR(SelectIds(db, std::move(sql), search.most + 1, search.offset, ids));
  return PageOf(std::move(ids), search);
}

}  // namespace

Result<Page<Run>> SearchRunRows(Database& db, const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  MUSTER_ASSIGN_OR_RETURN(const Search search, ParseSearch(query, RunGrammar()));
  MUSTER_ASSIGN_OR_RETURN(auto ids, RunIds(db, query, search));
  Page<Run> page{{}, std::move(ids.next_page_token)};
  MUSTER_ASSIGN_OR_RETURN(page.items, ReadRuns(db, ids.items, query.parts));
  for (Run& run : page.items) run.model_inputs.clear();  // MLflow's search answers outputs alone
  if (query.count) {
    std::vector<std::int64_t> total;
    MUSTER_RETURN_IF_ERROR(SelectIds(db, SelectRuns("count(*)", query, search), 1, 0, total));
    page.total = total.front();
  }
  return page;
}

}  // namespace muster::tracker
