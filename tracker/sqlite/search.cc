#include "tracker/sqlite/search.h"

#include <functional>
#include <variant>

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using filter::Clause;
using filter::Op;
using filter::Order;
using sqlite::Database;
using sqlite::Statement;

/// A query under construction: the text, and the values of its '?' in order.
struct Sql {
  std::string text;
  std::vector<std::variant<std::int64_t, double, std::string>> values;

  Sql& Add(std::string_view sql) {
    text += sql;
    return *this;
  }
  template <typename Value>
  Sql& Add(std::string_view sql, Value value) {
    text += sql;
    values.emplace_back(std::move(value));
    return *this;
  }
};

/// Where the value of (entity, key) of a thing stands: a plain column of its row, or a row of another
/// table. `thing` is the alias of the thing's table in the query.
struct Place {
  std::string column;      // the value's expression
  std::string from;        // empty: a plain column; else " FROM ... WHERE ..." of a subquery
  bool keyed = false;      // `from` ends in "key = ?"
  std::string nan_column;  // of metrics
};
using Locate = std::function<Place(std::string_view entity, std::string_view key)>;

std::string Comparison(const Clause& clause, std::string_view column) {
  const std::string value(column);
  switch (clause.op) {
    case Op::kLike:
      return value + " LIKE ?";
    case Op::kIlike:
      return "lower(" + value + ") LIKE lower(?)";
    case Op::kIn:
      return value + " IN (SELECT value FROM json_each(?))";
    case Op::kNotIn:
      return value + " NOT IN (SELECT value FROM json_each(?))";
    case Op::kIsNull:
    case Op::kIsNotNull:
      return value + " IS NOT NULL";
    default:
      return value + " " + std::string(filter::OpText(clause.op)) + " ?";
  }
}

/// A JSON array of strings for json_each: one '?' for a list of any length.
std::string JsonArray(const std::vector<std::string>& items) {
  std::string json = "[";
  for (const std::string& item : items) {
    json += json.size() > 1 ? ",\"" : "\"";
    for (const char c : item) {
      if (c == '"' || c == '\\') json += '\\';
      if (static_cast<unsigned char>(c) < 0x20) {
        static constexpr char kHex[] = "0123456789abcdef";
        json += std::string("\\u00") + kHex[c >> 4] + kHex[c & 15];
      } else {
        json += c;
      }
    }
    json += '"';
  }
  return json + "]";
}

void AddValue(Sql& sql, const Clause& clause) {
  if (clause.op == Op::kIsNull || clause.op == Op::kIsNotNull) return;
  if (clause.op == Op::kIn || clause.op == Op::kNotIn) {
    sql.values.emplace_back(JsonArray(clause.list));
  } else if (clause.type == filter::Type::kNumber) {
    sql.values.emplace_back(clause.number);
  } else {
    sql.values.emplace_back(clause.text);
  }
}

/// Every operator but IS NULL wants the key to be there: the value's row is looked for with EXISTS.
void AddClause(Sql& sql, const Clause& clause, const Place& place) {
  std::string comparison = Comparison(clause, place.column);
  if (!place.nan_column.empty()) {
    // NaN satisfies != only, and is stored as 0.
    comparison = clause.op == Op::kNotEqual
                     ? "(" + comparison + " OR " + place.nan_column + " = 1)"
                     : "(" + comparison + " AND " + place.nan_column + " = 0)";
  }
  sql.Add(" AND ");
  if (place.from.empty()) {
    sql.Add(comparison);
  } else {
    sql.Add(clause.op == Op::kIsNull ? "NOT EXISTS (SELECT 1" : "EXISTS (SELECT 1");
    sql.Add(place.from);
    if (place.keyed) sql.values.emplace_back(clause.key);
    sql.Add(" AND " + comparison + ")");
  }
  AddValue(sql, clause);
}

void AddSubquery(Sql& sql, const Order& order, const Place& place, const std::string& column) {
  if (place.from.empty()) {
    sql.Add(column);
    return;
  }
  sql.Add("(SELECT " + column + place.from);
  if (place.keyed) sql.values.emplace_back(order.key);
  sql.Add(" LIMIT 1)");
}

/// Missing keys last and NaN before them, in both directions.
void AddOrder(Sql& sql, const Order& order, const Place& place) {
  if (!place.nan_column.empty()) {
    sql.Add("coalesce(");
    AddSubquery(sql, order, place, place.nan_column);
    sql.Add(", 2), ");
  } else {
    AddSubquery(sql, order, place, place.column);
    sql.Add(" IS NULL, ");
  }
  AddSubquery(sql, order, place, place.column);
  sql.Add(order.ascending ? " ASC, " : " DESC, ");
}

Status Bind(Statement& statement, const Sql& sql) {
  int index = 0;
  for (const auto& value : sql.values) {
    std::visit(
        [&](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
            statement.Bind(index, std::string_view(v));
          } else {
            statement.Bind(index, v);
          }
        },
        value);
    ++index;
  }
  return Ok();
}

/// Completes `sql` ("SELECT id FROM ... WHERE ...") with the query's clauses, order and page, and answers
/// the rows' ids of that page.
Result<Page<std::int64_t>> SearchIds(Database& db, Sql sql, const SearchQuery& query,
                                     const filter::Grammar& grammar, const Locate& locate,
                                     std::string_view tie_break) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(query.max_results, kMaxSearchPage));
  MUSTER_ASSIGN_OR_RETURN(const auto clauses, filter::ParseFilter(query.filter, grammar));
  MUSTER_ASSIGN_OR_RETURN(const auto orders, filter::ParseOrderBy(query.order_by, grammar));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t offset, filter::PageOffset(query.page_token));
  for (const Clause& clause : clauses) AddClause(sql, clause, locate(clause.entity, clause.key));
  sql.Add(" ORDER BY ");
  for (const Order& order : orders) AddOrder(sql, order, locate(order.entity, order.key));
  // One more than asked for tells whether there is a next page.
  sql.Add(tie_break).Add(" LIMIT ?", query.max_results + 1).Add(" OFFSET ?", offset);
  MUSTER_ASSIGN_OR_RETURN(Statement rows, db.PrepareOnce(sql.text));
  MUSTER_RETURN_IF_ERROR(Bind(rows, sql));
  Page<std::int64_t> page;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return page;
    if (std::ssize(page.items) == query.max_results) {
      page.next_page_token = filter::PageToken(offset + query.max_results);
      return page;
    }
    page.items.push_back(rows.Int(0));
  }
}

template <typename T, typename Read>
Result<Page<T>> ReadPage(Page<std::int64_t> ids, Read read) {
  Page<T> page{{}, std::move(ids.next_page_token)};
  for (const std::int64_t id : ids.items) {
    MUSTER_ASSIGN_OR_RETURN(T item, read(id));
    page.items.push_back(std::move(item));
  }
  return page;
}

Place Keyed(std::string_view table, std::string_view owner, std::string_view thing) {
  return {.column = "value",
          .from = " FROM " + std::string(table) + " WHERE " + std::string(owner) + " = " +
                  std::string(thing) + ".id AND key = ?",
          .keyed = true};
}

Place LocateInRun(std::string_view entity, std::string_view key) {
  if (entity == "param") return Keyed("params", "run", "r");
  if (entity == "tag") return Keyed("tags", "run", "r");
  if (entity == "metric") {
    return {.column = "latest_value",
            .from = " FROM series WHERE run = r.id AND key = ?",
            .keyed = true,
            .nan_column = "latest_nan"};
  }
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

Place LocateInExperiment(std::string_view entity, std::string_view key) {
  if (entity == "tag") return Keyed("experiment_tags", "experiment", "e");
  if (key == "name") return {.column = "e.name"};
  if (key == "experiment_id") return {.column = "CAST(e.id AS TEXT)"};
  return {.column = "e." + std::string(key) + "_ms"};
}

Place LocateInModel(std::string_view entity, std::string_view key) {
  if (entity == "tag") return Keyed("logged_model_tags", "model", "m");
  if (entity == "param") return Keyed("logged_model_params", "model", "m");
  if (entity == "metric") {
    // The latest over all datasets and runs.
    return {.column = "value",
            .from =
                " FROM (SELECT value, nan FROM logged_model_metrics WHERE model = m.id "
                "AND key = ? ORDER BY step DESC, ts DESC, value DESC LIMIT 1) WHERE 1",
            .keyed = true,
            .nan_column = "nan"};
  }
  if (key == "status") return {.column = "substr(m.status, length('LOGGED_MODEL_') + 1)"};
  if (key == "creation_timestamp") return {.column = "m.creation_ms"};
  if (key == "last_updated_timestamp") return {.column = "m.last_updated_ms"};
  return {.column = "m." + std::string(key)};
}

std::string ViewCondition(std::string_view thing, ViewType view) {
  if (view == ViewType::kAll) return "";
  return " AND " + std::string(thing) +
         ".deleted = " + (view == ViewType::kDeletedOnly ? "1" : "0");
}

}  // namespace

Result<Page<Run>> SearchRunRows(Database& db, const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  Sql sql;
  sql.Add(
      "SELECT r.id FROM runs r WHERE r.experiment IN (SELECT CAST(value AS INTEGER) FROM "
      "json_each(?))",
      JsonArray(query.experiment_ids));
  sql.Add(ViewCondition("r", query.view));
  MUSTER_ASSIGN_OR_RETURN(auto ids, SearchIds(db, std::move(sql), query, RunGrammar(), LocateInRun,
                                              "r.start_time_ms DESC, r.run_id"));
  return ReadPage<Run>(std::move(ids), [&](std::int64_t row) -> Result<Run> {
    MUSTER_ASSIGN_OR_RETURN(Run run, ReadRun(db, row));
    run.model_inputs.clear();  // MLflow's search answers outputs, not inputs
    return run;
  });
}

Result<Page<Experiment>> SearchExperimentRows(Database& db, const SearchQuery& query) {
  Sql sql;
  sql.Add("SELECT e.id FROM experiments e WHERE 1" + ViewCondition("e", query.view));
  const std::string_view tie_break =
      query.order_by.empty() ? "e.creation_time_ms DESC, e.id ASC" : "e.id DESC";
  MUSTER_ASSIGN_OR_RETURN(auto ids, SearchIds(db, std::move(sql), query, ExperimentGrammar(),
                                              LocateInExperiment, tie_break));
  return ReadPage<Experiment>(
      std::move(ids), [&](std::int64_t row) { return ReadExperiment(db, std::to_string(row)); });
}

Result<Page<LoggedModel>> SearchLoggedModelRows(Database& db, const SearchQuery& query) {
  MUSTER_RETURN_IF_ERROR(CheckExperimentIds(query));
  Sql sql;
  sql.Add(
      "SELECT m.id FROM logged_models m WHERE m.deleted = 0 AND m.experiment IN "
      "(SELECT CAST(value AS INTEGER) FROM json_each(?))",
      JsonArray(query.experiment_ids));
  MUSTER_ASSIGN_OR_RETURN(auto ids, SearchIds(db, std::move(sql), query, LoggedModelGrammar(),
                                              LocateInModel, "m.creation_ms DESC, m.model_id"));
  return ReadPage<LoggedModel>(std::move(ids),
                               [&](std::int64_t row) { return ReadLoggedModel(db, row); });
}

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
