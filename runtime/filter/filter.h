#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// MLflow's search language (3.18's utils/search_utils.py), for runs, experiments and models alike: the text
/// to typed clauses, checked against a table of the fields that a thing has. Pure and without state; any
/// thread. Planning (SQL) is the stores' part.
///
///   filter  := { clause | AND }                       only AND, in any case, and even that may be left out
///   clause  := ident op value | ident [NOT] IN (string, ...) | ident IS [NOT] NULL
///   ident   := [entity "."] key                       split at the first dot; no entity: an attribute
///   key     := bare | `quoted` | "quoted" | 'quoted'  bare ones are words; what else is in a key needs quotes
///   op      := = != > >= < <= LIKE ILIKE              "<>" and "==" are refused
///   value   := number | 'string' | "string"           no escapes
///
/// Five searches of MLflow read this language, each with words of its own for what is wrong (Dialect). What is
/// refused, in which order and with which text is MLflow's; where it would answer 500, this answers kInvalid.

namespace muster::filter {

enum class Op {
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kLike,
  kIlike,
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull,
};
/// "=", "!=", "LIKE", "NOT IN", "IS NULL", ...
std::string_view OpText(Op op);

/// A set of operators.
using Ops = std::uint32_t;
constexpr Ops Bit(Op op) { return Ops{1} << static_cast<unsigned>(op); }
constexpr Ops kCompareOps = Bit(Op::kEqual) | Bit(Op::kNotEqual) | Bit(Op::kGreater) |
                            Bit(Op::kGreaterEqual) | Bit(Op::kLess) | Bit(Op::kLessEqual);
constexpr Ops kTextOps = Bit(Op::kEqual) | Bit(Op::kNotEqual) | Bit(Op::kLike) | Bit(Op::kIlike);
constexpr Ops kListOps = Bit(Op::kIn) | Bit(Op::kNotIn);
constexpr Ops kNullOps = Bit(Op::kIsNull) | Bit(Op::kIsNotNull);

enum class Dialect { kRuns, kExperiments, kRegisteredModels, kModelVersions, kLoggedModels };

enum class Type {
  kNumber,          ///< an unquoted number
  kText,            ///< a quoted string
  kNumberOrQuoted,  ///< a number, quoted or not (version_number)
};

/// One thing that may be searched by. `entity` is canonical: "attribute", "metric", "param", "tag" or
/// "dataset"; the plural and short spellings of the grammar come out as these.
struct Field {
  std::string entity;
  std::string key;  ///< empty: any key (metrics, params, tags)
  Type type = Type::kText;
  Ops ops = kTextOps;
  bool sortable = true;
  std::vector<std::string> aliases = {};  ///< other spellings of `key`, "Run Name" of "run_name"
  bool sortable_by_alias = true;
};
struct Grammar {
  Dialect dialect = Dialect::kRuns;
  std::vector<Field> fields;
};

struct Clause {
  std::string entity, key;  ///< canonical, aliases resolved; beyond Field's: those of expression.h
  Op op = Op::kEqual;
  Type type = Type::kText;  ///< kNumber or kText, says which of the next two holds the value
  double number = 0;
  std::string text;
  std::vector<std::string> list;  ///< of IN and NOT IN
};

struct Order {
  std::string entity, key;
  bool ascending = true;
};

/// Clauses put together, as only muster's own language can (expression.h).
struct Expression {
  enum class Kind { kClause, kAnd, kOr, kNot };
  Kind kind = Kind::kClause;
  Clause clause;                  ///< of kClause
  std::vector<Expression> parts;  ///< of kAnd and kOr two or more, of kNot one
};

/// What one search may ask for: what SQLite takes, and quickly.
inline constexpr std::size_t kMaxClauses = 200;
inline constexpr std::size_t kMaxOrders = 50;
inline constexpr std::size_t kMaxPatternBytes = 1'000;  ///< of LIKE and ILIKE

/// Of one search.
struct Query {
  std::vector<Clause> clauses;      ///< all of them hold
  std::optional<Expression> where;  ///< and this
  std::vector<Order> orders;
  std::int64_t offset = 0;  ///< of the page
};
/// kInvalid in MLflow's words, or beyond the bounds above. An empty filter is no clauses. An order is "ident
/// [ASC|DESC]"; one field twice is kInvalid, but of experiments and logged models. A page token is one that PageToken made, "" the first page's.
Result<Query> ParseQuery(std::string_view filter, const std::vector<std::string>& order_by,
                         std::string_view page_token, const Grammar& grammar);

/// What `clause` says of a value; nullopt: the thing has no such key, which satisfies IS NULL only. NaN
/// satisfies != only. For stores that hold their things in memory.
bool Matches(const Clause& clause, std::optional<std::string_view> value);
bool Matches(const Clause& clause, std::optional<double> value);
/// SQL's LIKE: '%' any run of bytes, '_' one character; `fold_case` as ILIKE (ASCII).
bool Like(std::string_view pattern, std::string_view text, bool fold_case);

/// Page tokens name an offset, as MLflow's do (base64 of {"offset": N}): opaque to clients. kInvalid "Invalid
/// page token, ..." for any other text; an empty token is 0.
std::string PageToken(std::int64_t offset);
Result<std::int64_t> PageOffset(std::string_view token);

}  // namespace muster::filter
