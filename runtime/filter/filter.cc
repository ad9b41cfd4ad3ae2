#include "runtime/filter/filter.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"
#include "runtime/filter/tokens.h"

namespace muster::filter {

namespace {

using internal::Name;
using internal::Use;

constexpr std::array<std::string_view, 12> kOpTexts = {
    "=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"};

Error NotOneStatement(std::string_view filter, bool none, Dialect dialect) {
  const std::string text(filter);
  if (dialect == Dialect::kLoggedModels) {
    return Invalid("Invalid filter string: " + PythonRepr(filter) +
                   ". Expected a single SQL expression.");
  }
  if (none) return Invalid("Invalid filter '" + text + "'. Could not be parsed.");
  return Invalid("Search filter contained multiple expression " + PythonRepr(filter) +
                 ". Provide AND-ed expression list.");
}

Error InvalidClauses(const std::vector<Group>& groups, Dialect dialect) {
  const std::string quote = dialect == Dialect::kRuns ? "'" : "";
  std::string list;
  for (const Group& group : groups) {
    if (group.kind == Kind::kComparison || group.kind == Kind::kAnd) continue;
    list += (list.empty() ? "" : ", ") + quote + std::string(group.text) + quote;
  }
  return Invalid("Invalid clause(s) in filter string: " + list);
}

bool IsOdd(const Group& group) {
  return group.kind != Kind::kComparison && group.kind != Kind::kAnd;
}

Error NullNotFor(const Name& name, Dialect dialect) {
  if (dialect == Dialect::kExperiments) {
    return Invalid("IS NULL / IS NOT NULL is only supported for tags, not for attribute '" +
                   name.key + "'");
  }
  return Invalid("IS NULL / IS NOT NULL is only supported for tags and params, not for '" +
                 name.entity + "' '" + name.key + "'");
}

/// A clause, and the name that its messages show.
struct Read {
  Clause clause;
  Name name;
  std::string op;
};

Result<Read> ReadComparison(const Group& group, const Grammar& grammar) {
  const Piece& left = group.parts[0];
  if (left.kind != Kind::kIdentifier) {
    return Invalid("Invalid comparison clause. Expected 'Identifier' found '" +
                   std::string(left.text) + "'");
  }
  const bool null = group.parts.size() == 2;
  if (null && grammar.dialect == Dialect::kRegisteredModels) {
    return Invalid("IS NULL / IS NOT NULL is not supported for registered model search.");
  }
  if (null && grammar.dialect == Dialect::kModelVersions) {
    return Invalid("IS NULL / IS NOT NULL is not supported for model version search.");
  }
  Read read;
  MUSTER_ASSIGN_OR_RETURN(read.name, internal::ReadName(left.text, grammar, Use::kFilter));
  const Field& field = *read.name.field;
  read.clause.entity = read.name.entity;
  read.clause.key = field.key.empty() ? read.name.key : field.key;
  read.op = group.parts[1].text;
  if (null && !(field.ops & kNullOps)) return NullNotFor(read.name, grammar.dialect);
  if (!null) {
    MUSTER_RETURN_IF_ERROR(internal::ReadValue(group.parts[2], read.name, grammar, read.clause));
  }
  return read;
}

Result<std::vector<Clause>> ReadLoggedModels(std::string_view filter,
                                             const std::vector<Group>& groups,
                                             const Grammar& grammar) {
  std::vector<Clause> clauses;
  for (const Group& group : groups) {
    if (IsOdd(group)) {
      return Invalid("Invalid filter string: " + PythonRepr(filter) +
                     ". Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > "
                     "0.1 AND params.lr = 0.01').");
    }
    if (group.kind == Kind::kAnd) continue;
    MUSTER_ASSIGN_OR_RETURN(Clause clause, internal::ReadModelComparison(group, grammar));
    clauses.push_back(std::move(clause));
  }
  for (const Clause& clause : clauses) MUSTER_RETURN_IF_ERROR(internal::CheckModelClause(clause));
  return clauses;
}

/// The text's comparisons; its errors are those of the text alone.
Result<std::vector<Read>> ReadFilter(const std::vector<Group>& groups, const Grammar& grammar) {
  if (std::ranges::any_of(groups, IsOdd)) return InvalidClauses(groups, grammar.dialect);
  std::vector<Read> reads;
  for (const Group& group : groups) {
    if (group.kind == Kind::kAnd) continue;
    MUSTER_ASSIGN_OR_RETURN(Read read, ReadComparison(group, grammar));
    reads.push_back(std::move(read));
  }
  return reads;
}

Result<std::vector<Clause>> CheckClauses(std::vector<Read> reads, const Grammar& grammar) {
  std::vector<Clause> clauses;
  for (Read& read : reads) {
    MUSTER_RETURN_IF_ERROR(internal::CheckClause(read.op, read.name, grammar, read.clause));
    clauses.push_back(std::move(read.clause));
  }
  return clauses;
}

Result<std::vector<Order>> ReadOrders(const std::vector<std::string>& items,
                                      const Grammar& grammar) {
  if (items.size() > kMaxOrders) {
    return Invalid("`order_by` has " + std::to_string(items.size()) + " fields, at most " +
                   std::to_string(kMaxOrders) + " are allowed");
  }
  std::vector<Order> orders;
  for (const std::string& item : items) {
    MUSTER_ASSIGN_OR_RETURN(Order order, internal::ReadOrder(item, grammar));
    const auto same = [&](const Order& earlier) {
      return earlier.entity == order.entity && earlier.key == order.key;
    };
    // MLflow's stores of experiments and logged models do not look.
    const bool once =
        grammar.dialect != Dialect::kExperiments && grammar.dialect != Dialect::kLoggedModels;
    if (once && std::ranges::any_of(orders, same)) {
      return Invalid("`order_by` contains duplicate fields: " + PythonList(items));
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

Status CheckBounds(const std::vector<Group>& groups) {
  const auto clauses = std::ranges::count(groups, Kind::kComparison, &Group::kind);
  if (clauses <= static_cast<std::ptrdiff_t>(kMaxClauses)) return Ok();
  return Invalid("Invalid filter string: more than " + std::to_string(kMaxClauses) + " clauses");
}

}  // namespace

namespace internal {

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return upper;
}

std::optional<Op> OpFromText(std::string_view text) {
  const auto* found = std::ranges::find(kOpTexts, text);
  if (found == kOpTexts.end()) return std::nullopt;
  return static_cast<Op>(found - kOpTexts.begin());
}

}  // namespace internal

std::string_view OpText(Op op) { return kOpTexts[static_cast<std::size_t>(op)]; }

Result<Query> ParseQuery(std::string_view filter, const std::vector<std::string>& order_by,
                         std::string_view page_token, const Grammar& grammar) {
  std::vector<Group> groups;
  if (!filter.empty()) {
    const Statements statements = CountStatements(filter);
    if (statements != Statements::kOne) {
      return NotOneStatement(filter, statements == Statements::kNone, grammar.dialect);
    }
    groups = ReadGroups(filter);
    MUSTER_RETURN_IF_ERROR(CheckBounds(groups));
  }
  Query query;
  if (grammar.dialect == Dialect::kLoggedModels) {
    MUSTER_ASSIGN_OR_RETURN(query.offset, PageOffset(page_token));
    MUSTER_ASSIGN_OR_RETURN(query.clauses, ReadLoggedModels(filter, groups, grammar));
    MUSTER_ASSIGN_OR_RETURN(query.orders, ReadOrders(order_by, grammar));
    return query;
  }
  MUSTER_ASSIGN_OR_RETURN(auto reads, ReadFilter(groups, grammar));
  // The five searches differ in what they look at first.
  const bool orders_first =
      grammar.dialect == Dialect::kRuns || grammar.dialect == Dialect::kRegisteredModels;
  if (orders_first) {
    MUSTER_ASSIGN_OR_RETURN(query.orders, ReadOrders(order_by, grammar));
  }
  if (grammar.dialect == Dialect::kRegisteredModels) {
    MUSTER_ASSIGN_OR_RETURN(query.offset, PageOffset(page_token));
  }
  MUSTER_ASSIGN_OR_RETURN(query.clauses, CheckClauses(std::move(reads), grammar));
  if (!orders_first) {
    MUSTER_ASSIGN_OR_RETURN(query.orders, ReadOrders(order_by, grammar));
  }
  MUSTER_ASSIGN_OR_RETURN(query.offset, PageOffset(page_token));
  return query;
}

}  // namespace muster::filter
