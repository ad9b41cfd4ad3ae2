#include "tracker/sqlite/search_sql.h"

#include "tracker/run_rules.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using filter::Clause;
using filter::Expression;
using filter::Op;
using filter::Order;
using sqlite::Database;
using sqlite::Statement;

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

/// Every operator but IS NULL wants the key to be there: the value's row is looked for with EXISTS. NULL where a
/// column is.
void AddCondition(Sql& sql, const Clause& clause, const Place& place) {
  std::string comparison = Comparison(clause, place.column);
  if (!place.nan_column.empty()) {
    // NaN satisfies != only, and is stored as 0.
    comparison = clause.op == Op::kNotEqual
                     ? "(" + comparison + " OR " + place.nan_column + " = 1)"
                     : "(" + comparison + " AND " + place.nan_column + " = 0)";
  }
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

/// In brackets. NOT holds of what is NULL.
void AddExpression(Sql& sql, const Expression& expression, const Locate& locate) {
  if (expression.kind == Expression::Kind::kClause) {
    const Clause& clause = expression.clause;
    AddCondition(sql, clause, locate(clause.entity, clause.key));
    return;
  }
  const bool negated = expression.kind == Expression::Kind::kNot;
  const std::string_view between = expression.kind == Expression::Kind::kOr ? " OR " : " AND ";
  sql.Add(negated ? "NOT coalesce(" : "(");
  for (const Expression& part : expression.parts) {
    if (&part != &expression.parts.front()) sql.Add(between);
    AddExpression(sql, part, locate);
  }
  sql.Add(negated ? ", 0)" : ")");
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

}  // namespace

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

Place Keyed(std::string_view table, std::string_view owner, std::string_view thing) {
  return {.column = "value",
          .from = " FROM " + std::string(table) + " WHERE " + std::string(owner) + " = " +
                  std::string(thing) + ".id AND key = ?",
          .keyed = true};
}

std::string ViewCondition(std::string_view thing, ViewType view) {
  const std::string deleted = " AND " + std::string(thing) + ".deleted ";
  if (view == ViewType::kAll) return deleted + "< 2";
  return deleted + (view == ViewType::kDeletedOnly ? "= 1" : "= 0");
}

Result<Search> ParseSearch(const SearchQuery& query, const filter::Grammar& grammar) {
  MUSTER_RETURN_IF_ERROR(CheckMaxResults(query.max_results, kMaxSearchPage));
  Search search{.most = query.max_results};
  const auto parse = query.own_language ? filter::ParseOwnQuery : filter::ParseQuery;
  MUSTER_ASSIGN_OR_RETURN(auto parsed,
                          parse(query.filter, query.order_by, query.page_token, grammar));
  search.clauses = std::move(parsed.clauses);
  search.where = std::move(parsed.where);
  search.orders = std::move(parsed.orders);
  search.offset = parsed.offset;
  return search;
}

void AddConditions(Sql& sql, const Search& search, const Locate& locate) {
  for (const Clause& clause : search.clauses) {
    AddCondition(sql.Add(" AND "), clause, locate(clause.entity, clause.key));
  }
  if (search.where) AddExpression(sql.Add(" AND "), *search.where, locate);
}

void AddOrders(Sql& sql, std::span<const Order> orders, const Locate& locate,
               std::string_view tie_break) {
  for (const Order& order : orders) AddOrder(sql, order, locate(order.entity, order.key));
  sql.Add(tie_break);
}

Status SelectIds(Database& db, Sql sql, std::int64_t most, std::int64_t offset,
                 std::vector<std::int64_t>& ids) {
  sql.Add(" LIMIT ?", most).Add(" OFFSET ?", offset);
  MUSTER_ASSIGN_OR_RETURN(Statement rows, db.PrepareOnce(sql.text));
  MUSTER_RETURN_IF_ERROR(Bind(rows, sql));
  return ForEachRow(rows, [&](const Statement& row) { ids.push_back(row.Int(0)); });
}

Page<std::int64_t> PageOf(std::vector<std::int64_t> ids, const Search& search) {
  Page<std::int64_t> page{std::move(ids), {}};
  if (std::ssize(page.items) <= search.most) return page;
  page.items.pop_back();
  page.next_page_token = filter::PageToken(search.offset + search.most);
  return page;
}

Result<Page<std::int64_t>> SearchIds(Database& db, Sql sql, const SearchQuery& query,
                                     const filter::Grammar& grammar, const Locate& locate,
                                     std::string_view tie_break) {
  MUSTER_ASSIGN_OR_RETURN(const Search search, ParseSearch(query, grammar));
  AddConditions(sql, search, locate);
  AddOrders(sql.Add(" ORDER BY "), search.orders, locate, tie_break);
  std::vector<std::int64_t> ids;
  MUSTER_RETURN_IF_ERROR(SelectIds(db, std::move(sql), search.most + 1, search.offset, ids));
  return PageOf(std::move(ids), search);
}

}  // namespace muster::tracker
