#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/filter/expression.h"
#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

/// What the searches for runs, experiments and logged models share: clauses and order as one SQL statement that
/// answers row ids. Each search says where its fields stand (Locate) and reads its rows.

namespace muster::tracker {

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

/// A JSON array of strings for json_each: one '?' for a list of any length.
std::string JsonArray(const std::vector<std::string>& items);
/// A row of `table`, whose column `owner` names the thing with the alias `thing`, found by its key.
Place Keyed(std::string_view table, std::string_view owner, std::string_view thing);
/// " AND <thing>.deleted ...": what is erased is in no view.
std::string ViewCondition(std::string_view thing, ViewType view);

/// A query's filter, order and page, checked.
struct Search {
  std::vector<filter::Clause> clauses;
  std::optional<filter::Expression> where;
  std::vector<filter::Order> orders;
  std::int64_t most = 0, offset = 0;
};
Result<Search> ParseSearch(const SearchQuery& query, const filter::Grammar& grammar);

/// " AND ..." for each clause, and for what stands beside them.
void AddConditions(Sql& sql, const Search& search, const Locate& locate);
/// The terms of ORDER BY; `tie_break` ends them.
void AddOrders(Sql& sql, std::span<const filter::Order> orders, const Locate& locate,
               std::string_view tie_break);
/// Adds to `ids` what `sql` selects, up to `most` of them after `offset`.
Status SelectIds(sqlite::Database& db, Sql sql, std::int64_t most, std::int64_t offset,
                 std::vector<std::int64_t>& ids);
/// A page of `ids`, of which there is one more than asked for when there is a next page.
Page<std::int64_t> PageOf(std::vector<std::int64_t> ids, const Search& search);

/// Completes `sql` ("SELECT id FROM ... WHERE ...") with the query's clauses, order and page, and answers
/// the rows' ids of that page.
Result<Page<std::int64_t>> SearchIds(sqlite::Database& db, Sql sql, const SearchQuery& query,
                                     const filter::Grammar& grammar, const Locate& locate,
                                     std::string_view tie_break);

/// The things of a page of row ids; `read` answers one.
template <typename T, typename Read>
Result<Page<T>> ReadPage(Page<std::int64_t> ids, Read read) {
  Page<T> page{{}, std::move(ids.next_page_token)};
  for (const std::int64_t id : ids.items) {
    MUSTER_ASSIGN_OR_RETURN(T item, read(id));
    page.items.push_back(std::move(item));
  }
  return page;
}

}  // namespace muster::tracker
