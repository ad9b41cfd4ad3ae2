#include <algorithm>
#include <unordered_map>

#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/search_sql.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// The runs of a page, by row, and the rows as one parameter for json_each.
class Runs {
 public:
  std::vector<Run>& all;
  std::unordered_map<std::int64_t, std::size_t> places;
  std::string rows;

  explicit Runs(std::vector<Run>& runs, const std::vector<std::int64_t>& ids) : all(runs) {
    for (const std::int64_t id : ids) {
      places.emplace(id, places.size());
      rows += (rows.empty() ? "[" : ",") + std::to_string(id);
    }
    rows += rows.empty() ? "[]" : "]";
  }
  /// Rows of one run come one after the other.
  Run& Of(const Statement& row) {
    const std::int64_t id = row.Int(0);
    if (last_ == nullptr || id != last_id_) last_ = &all[places.at(id)];
    last_id_ = id;
    return *last_;
  }

 private:
  std::int64_t last_id_ = 0;
  Run* last_ = nullptr;
};

std::string Text(const Statement& row, int column) { return std::string(row.Text(column)); }

/// Calls `take` with each row of `select`, whose first column is the run and which ends in " WHERE ... run"; with
/// `keys` those of these keys.
template <typename Take>
Status Each(Database& db, Runs& runs, std::string_view select, Take take,
            const RunParts::Keys& keys = std::nullopt) {
  if (keys && keys->empty()) return Ok();
  Statement rows = db.Prepare(std::string(select) + " IN (SELECT value FROM json_each(?))" +
                              (keys ? " AND key IN (SELECT value FROM json_each(?))" : ""));
  rows.Bind(0, runs.rows);
  if (keys) rows.Bind(1, JsonArray(*keys));
  return ForEachRow(rows, [&](const Statement& row) { take(runs.Of(row), row); });
}

/// One more at the end of a run's list. Runs of a page have about as many as each other, so a list begins as long as
/// the last one was.
template <typename Item>
Item& AddTo(std::vector<Item>& list, std::size_t& usual) {
  if (list.empty()) list.reserve(usual);
  Item& item = list.emplace_back();
  usual = list.size();
  return item;
}

/// SQLite promises no order, but reads by the primary key, which is ours: what is sorted here is sorted already.
template <typename List, typename Key>
void Sort(std::vector<Run>& runs, List list, Key key) {
  for (Run& run : runs) {
    if (!std::ranges::is_sorted(run.*list, {}, key)) std::ranges::sort(run.*list, {}, key);
  }
}

Status ReadInfos(Database& db, Runs& runs) {
  return Each(db, runs, std::string(kSelectRunInfo) + " WHERE id",
              [](Run& run, const Statement& row) { run.info = TakeRunInfo(row); });
}

Status ReadMetrics(Database& db, Runs& runs, const RunParts::Keys& keys) {
  MUSTER_RETURN_IF_ERROR(Each(
      db, runs,
      "SELECT run, key, latest_value, latest_ts, latest_step, "
      "latest_attempt, latest_nan FROM series "
      "WHERE latest_value IS NOT NULL AND rank = -1 AND run",
      [usual = std::size_t{0}](Run& run, const Statement& row) mutable {
        Metric& metric = AddTo(run.metrics, usual);
        metric.key = row.Text(1);
        metric.value = LoadedValue(row.Double(2), row.Int(6) != 0);
        metric.timestamp_ms = row.Int(3);
        metric.step = row.Int(4);
        metric.attempt = row.Int(5);
      },
      keys));
  Sort(runs.all, &Run::metrics, &Metric::key);
  return Ok();
}

Status ReadKeyed(Database& db, Runs& runs, std::string_view table, std::vector<Tag> Run::* list,
                 const RunParts::Keys& keys) {
  MUSTER_RETURN_IF_ERROR(Each(
      db, runs, "SELECT run, key, value FROM " + std::string(table) + " WHERE run",
      [list, usual = std::size_t{0}](Run& run, const Statement& row) mutable {
        Tag& tag = AddTo(run.*list, usual);
        tag.key = row.Text(1);
        tag.value = row.Text(2);
      },
      keys));
  Sort(runs.all, list, &Tag::key);
  return Ok();
}

Status ReadDatasetInputs(Database& db, Runs& runs) {
  struct Input {
    std::int64_t id = 0;
    Run* run = nullptr;
    Dataset dataset;
  };
  std::vector<Input> inputs;
  MUSTER_RETURN_IF_ERROR(
      Each(db, runs,
           "SELECT i.run, i.id, name, digest, source_type, source, schema, profile "
           "FROM dataset_inputs i JOIN datasets d ON d.id = i.dataset WHERE i.run",
           [&](Run& run, const Statement& row) {
             inputs.push_back({row.Int(1),
                               &run,
                               {.name = Text(row, 2),
                                .digest = Text(row, 3),
                                .source_type = Text(row, 4),
                                .source = Text(row, 5),
                                .schema = Text(row, 6),
                                .profile = Text(row, 7)}});
           }));
  std::ranges::sort(inputs, {}, &Input::id);
  for (Input& input : inputs) {
    MUSTER_ASSIGN_OR_RETURN(std::vector<Tag> tags, ReadTags(db, "input_tags", "input", input.id));
    input.run->dataset_inputs.push_back({std::move(input.dataset), std::move(tags)});
  }
  return Ok();
}

/// By their ids: in the order in which they were logged.
Status ReadModelLinks(Database& db, Runs& runs) {
  using Link = std::tuple<std::int64_t, Run*, std::string, std::int64_t>;
  std::vector<Link> links;
  const auto take = [&](Run& run, const Statement& row) {
    links.emplace_back(row.Int(1), &run, Text(row, 2), row.Int(3));
  };
  MUSTER_RETURN_IF_ERROR(
      Each(db, runs, "SELECT run, id, model_id, 0 FROM model_inputs WHERE run", take));
  std::ranges::sort(links);
  for (auto& [id, run, model, step] : links) run->model_inputs.push_back(std::move(model));
  links.clear();
  MUSTER_RETURN_IF_ERROR(
      Each(db, runs, "SELECT run, id, model_id, step FROM model_outputs WHERE run", take));
  std::ranges::sort(links);
  for (auto& [id, run, model, step] : links)
    run->model_outputs.emplace_back(std::move(model), step);
  return Ok();
}

}  // namespace

Result<std::vector<Run>> ReadRuns(Database& db, const std::vector<std::int64_t>& rows,
                                  const RunParts& parts) {
  std::vector<Run> all(rows.size());
  Runs runs(all, rows);
  MUSTER_RETURN_IF_ERROR(ReadInfos(db, runs));
  MUSTER_RETURN_IF_ERROR(ReadMetrics(db, runs, parts.metrics));
  MUSTER_RETURN_IF_ERROR(ReadKeyed(db, runs, "params", &Run::params, parts.params));
  MUSTER_RETURN_IF_ERROR(ReadKeyed(db, runs, "tags", &Run::tags, parts.tags));
  if (!parts.links) return all;
  MUSTER_RETURN_IF_ERROR(ReadDatasetInputs(db, runs));
  MUSTER_RETURN_IF_ERROR(ReadModelLinks(db, runs));
  return all;
}

}  // namespace muster::tracker
