#include "runtime/filter/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace muster::filter {

namespace {

constexpr std::array<std::string_view, 12> kOpTexts = {
    "=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"};

constexpr std::pair<std::string_view, std::string_view> kEntities[] = {{"metric", "metric"},
                                                                       {"metrics", "metric"},
                                                                       {"param", "param"},
                                                                       {"params", "param"},
                                                                       {"parameter", "param"},
                                                                       {"parameters", "param"},
                                                                       {"tag", "tag"},
                                                                       {"tags", "tag"},
                                                                       {"attribute", "attribute"},
                                                                       {"attributes", "attribute"},
                                                                       {"attr", "attribute"},
                                                                       {"run", "attribute"},
                                                                       {"dataset", "dataset"},
                                                                       {"datasets", "dataset"}};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

/// "['metric', 'tag']", as Python prints a list; MLflow's messages hold it.
std::string PythonList(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) {
    text += (text.size() > 1 ? ", " : "") + Quoted(item);
  }
  return text + "]";
}

bool IsOpChar(char c) { return c == '=' || c == '!' || c == '<' || c == '>'; }
bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool IsQuote(char c) { return c == '\'' || c == '"' || c == '`'; }

/// Walks the text; each Take answers what it took, or nothing and stays.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == text_.size();
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool TakeChar(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  /// The text between two equal quotes; there is no escape.
  std::optional<std::string_view> TakeQuoted() {
    const std::size_t close = text_.find(Peek(), at_ + 1);
    if (!IsQuote(Peek()) || close == std::string_view::npos) return std::nullopt;
    const std::string_view inner = text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    return inner;
  }
  template <typename Stop>
  std::string_view TakeUntil(Stop stop) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && !IsSpace(text_[at_]) && !stop(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  /// A whole word, in any case.
  bool TakeKeyword(std::string_view upper) {
    SkipSpace();
    const std::string_view next = text_.substr(at_, upper.size());
    if (Lower(next) != Lower(upper)) return false;
    const char after = at_ + upper.size() < text_.size() ? text_[at_ + upper.size()] : ' ';
    if (std::isalnum(static_cast<unsigned char>(after)) || after == '_') return false;
    at_ += upper.size();
    return true;
  }
  /// The rest up to the next space, for messages.
  std::string NextWord() {
    SkipSpace();
    const std::size_t begin = at_;
    std::size_t end = begin;
    while (end < text_.size() && !IsSpace(text_[end])) ++end;
    return std::string(text_.substr(begin, end - begin));
  }
  std::string_view From(std::size_t begin) const { return text_.substr(begin, at_ - begin); }
  std::size_t at() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

struct Name {
  std::string entity, key;
};

Result<std::string> CanonicalEntity(std::string_view word, const Grammar& grammar) {
  const std::string lower = Lower(word);
  for (const auto& [spelling, entity] : kEntities) {
    if (spelling == lower) return std::string(entity);
  }
  std::vector<std::string> valid;
  for (const Field& field : grammar) {
    const std::string shown = field.entity == "param" ? "parameter" : field.entity;
    if (std::ranges::find(valid, shown) == valid.end()) valid.push_back(shown);
  }
  return Invalid("Invalid entity type " + Quoted(word) + ". Valid values are " + PythonList(valid));
}

/// The key after the entity (or alone): quoted, or bare up to a space or an operator.
Result<std::string> TakeKey(Cursor& cursor) {
  if (IsQuote(cursor.Peek())) {
    const auto quoted = cursor.TakeQuoted();
    if (!quoted)
      return Invalid("Invalid filter string: no end of the quoted name " + cursor.NextWord());
    return std::string(*quoted);
  }
  const std::string_view bare = cursor.TakeUntil([](char c) { return IsOpChar(c) || c == ','; });
  if (bare.empty()) {
    return Invalid("Invalid clause(s) in filter string: " + Quoted(cursor.NextWord()));
  }
  return std::string(bare);
}

Result<Name> TakeName(Cursor& cursor, const Grammar& grammar) {
  cursor.SkipSpace();
  if (IsQuote(cursor.Peek())) {
    MUSTER_ASSIGN_OR_RETURN(std::string key, TakeKey(cursor));
    return Name{"attribute", std::move(key)};
  }
  const std::string_view word = cursor.TakeUntil(
      [](char c) { return IsOpChar(c) || IsQuote(c) || c == '.' || c == '(' || c == ','; });
  if (!word.empty() && cursor.TakeChar('.')) {
    MUSTER_ASSIGN_OR_RETURN(std::string entity, CanonicalEntity(word, grammar));
    MUSTER_ASSIGN_OR_RETURN(std::string key, TakeKey(cursor));
    return Name{std::move(entity), std::move(key)};
  }
  if (word.empty()) {
    return Invalid("Invalid clause(s) in filter string: " + Quoted(cursor.NextWord()));
  }
  return Name{"attribute", std::string(word)};
}

/// The field that `name` means; its alias is replaced by the field's own key.
Result<const Field*> Resolve(Name& name, const Grammar& grammar) {
  std::vector<std::string> keys;
  for (const Field& field : grammar) {
    if (field.entity != name.entity) continue;
    if (field.key.empty() || field.key == name.key) return &field;
    if (std::ranges::find(field.aliases, name.key) != field.aliases.end()) {
      name.key = field.key;
      return &field;
    }
    keys.push_back(field.key);
  }
  if (keys.empty()) {
    return Invalid("Invalid entity type " + Quoted(name.entity) + " for this search");
  }
  return Invalid("Invalid " + name.entity + " key " + Quoted(name.key) +
                 " specified. Valid keys are " + PythonList(keys));
}

std::optional<Op> TakeSymbol(Cursor& cursor) {
  const std::size_t begin = cursor.at();
  while (IsOpChar(cursor.Peek())) cursor.TakeChar(cursor.Peek());
  const std::string_view symbol = cursor.From(begin);
  for (std::size_t i = 0; i <= static_cast<std::size_t>(Op::kLessEqual); ++i) {
    if (kOpTexts[i] == symbol) return static_cast<Op>(i);
  }
  return std::nullopt;
}

std::optional<Op> TakeOp(Cursor& cursor) {
  cursor.SkipSpace();
  if (IsOpChar(cursor.Peek())) return TakeSymbol(cursor);
  if (cursor.TakeKeyword("LIKE")) return Op::kLike;
  if (cursor.TakeKeyword("ILIKE")) return Op::kIlike;
  if (cursor.TakeKeyword("IN")) return Op::kIn;
  if (cursor.TakeKeyword("NOT")) {
    return cursor.TakeKeyword("IN") ? std::optional(Op::kNotIn) : std::nullopt;
  }
  if (!cursor.TakeKeyword("IS")) return std::nullopt;
  const bool negated = cursor.TakeKeyword("NOT");
  if (!cursor.TakeKeyword("NULL")) return std::nullopt;
  return negated ? Op::kIsNotNull : Op::kIsNull;
}

std::string AllowedOps(Ops ops) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < kOpTexts.size(); ++i) {
    if (ops & (Ops{1} << i)) texts.emplace_back(kOpTexts[i]);
  }
  return PythonList(texts);
}

std::optional<double> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  // Words that from_chars takes for numbers are no literals of this language.
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.back())) ||
      text.find_first_of("nN") != std::string_view::npos) {
    return std::nullopt;
  }
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

Status TakeList(Cursor& cursor, Clause& clause) {
  cursor.SkipSpace();
  if (!cursor.TakeChar('(')) {
    return Invalid("Invalid filter string: wanted a list of quoted strings after " +
                   std::string(OpText(clause.op)) + ", got " + Quoted(cursor.NextWord()));
  }
  do {
    cursor.SkipSpace();
    const auto item = cursor.Peek() == '`' ? std::nullopt : cursor.TakeQuoted();
    if (!item) {
      return Invalid(
          "While parsing a list in the query, expected a non-empty list of quoted strings, found " +
          Quoted(cursor.NextWord()));
    }
    clause.list.emplace_back(*item);
    cursor.SkipSpace();
  } while (cursor.TakeChar(','));
  if (cursor.TakeChar(')')) return Ok();
  return Invalid("Invalid filter string: a list without its ')'");
}

Status TakeValue(Cursor& cursor, const Field& field, Clause& clause) {
  cursor.SkipSpace();
  const std::string shown = cursor.NextWord();
  std::optional<std::string_view> quoted;
  if (cursor.Peek() == '\'' || cursor.Peek() == '"') {
    quoted = cursor.TakeQuoted();
    if (!quoted) return Invalid("Invalid filter string: no end of the quoted value " + shown);
  }
  if (field.type == Type::kText) {
    if (!quoted) {
      return Invalid("Expected a quoted string value for " + field.entity +
                     " (e.g. 'my-value'). Got value " + shown);
    }
    const bool is_pattern = clause.op == Op::kLike || clause.op == Op::kIlike;
    if (is_pattern && quoted->size() > kMaxPatternBytes) {
      return Invalid("Invalid filter string: a pattern of more than " +
                     std::to_string(kMaxPatternBytes) + " bytes for " + Quoted(clause.key));
    }
    clause.text = *quoted;
    return Ok();
  }
  clause.type = Type::kNumber;
  const bool may_quote = field.type == Type::kNumberOrQuoted;
  const std::string_view literal =
      quoted ? *quoted : cursor.TakeUntil([](char c) { return c == '(' || c == ')' || c == ','; });
  const auto number = quoted && !may_quote ? std::nullopt : ParseNumber(literal);
  if (!number) {
    return Invalid("Expected numeric value type for " + field.entity + " " + Quoted(clause.key) +
                   ". Found " + shown);
  }
  clause.number = *number;
  return Ok();
}

Result<Clause> TakeClause(Cursor& cursor, const Grammar& grammar) {
  MUSTER_ASSIGN_OR_RETURN(Name name, TakeName(cursor, grammar));
  const std::size_t before_op = cursor.at();
  const std::string shown = cursor.NextWord();
  const auto op = TakeOp(cursor);
  if (!op) {
    const std::string_view taken = cursor.From(before_op);
    return Invalid("Invalid clause(s) in filter string: " +
                   Quoted(taken.empty() || !shown.empty() ? name.key + " " + shown : taken));
  }
  MUSTER_ASSIGN_OR_RETURN(const Field* field, Resolve(name, grammar));
  Clause clause{.entity = name.entity, .key = name.key, .op = *op};
  if (!(field->ops & Bit(*op))) {
    return Invalid("Invalid comparator " + Quoted(OpText(*op)) + " for " + name.entity + " " +
                   Quoted(name.key) + ": not one of " + AllowedOps(field->ops));
  }
  if (Bit(*op) & kListOps) {
    MUSTER_RETURN_IF_ERROR(TakeList(cursor, clause));
  } else if (!(Bit(*op) & kNullOps)) {
    MUSTER_RETURN_IF_ERROR(TakeValue(cursor, *field, clause));
  }
  return clause;
}

Result<Order> ParseOrder(std::string_view item, const Grammar& grammar) {
  Cursor cursor(item);
  auto name = TakeName(cursor, grammar);
  if (!name) {
    return Invalid("Invalid order_by clause " + Quoted(item) + ". " + name.error().message);
  }
  const bool descending = cursor.TakeKeyword("DESC");
  if (!descending) cursor.TakeKeyword("ASC");
  if (!cursor.AtEnd())
    return Invalid("Invalid order_by clause " + Quoted(item) + ". Could not be parsed.");
  auto field = Resolve(*name, grammar);
  if (!field || !(*field)->sortable) {
    return Invalid("Invalid order_by clause " + Quoted(item) + ". " +
                   (field ? "It cannot be ordered by." : field.error().message));
  }
  return Order{name->entity, name->key, !descending};
}

}  // namespace

std::string_view OpText(Op op) { return kOpTexts[static_cast<std::size_t>(op)]; }

Result<std::vector<Clause>> ParseFilter(std::string_view text, const Grammar& grammar) {
  std::vector<Clause> clauses;
  Cursor cursor(text);
  while (!cursor.AtEnd()) {
    if (clauses.size() == kMaxClauses) {
      return Invalid("Invalid filter string: more than " + std::to_string(kMaxClauses) +
                     " clauses");
    }
    MUSTER_ASSIGN_OR_RETURN(Clause clause, TakeClause(cursor, grammar));
    clauses.push_back(std::move(clause));
    if (cursor.AtEnd()) break;
    if (!cursor.TakeKeyword("AND")) {
      return Invalid("Invalid clause(s) in filter string: " + Quoted(cursor.NextWord()));
    }
  }
  return clauses;
}

Result<std::vector<Order>> ParseOrderBy(const std::vector<std::string>& items,
                                        const Grammar& grammar) {
  if (items.size() > kMaxOrders) {
    return Invalid("`order_by` has " + std::to_string(items.size()) + " fields, at most " +
                   std::to_string(kMaxOrders) + " are allowed");
  }
  std::vector<Order> orders;
  for (const std::string& item : items) {
    MUSTER_ASSIGN_OR_RETURN(Order order, ParseOrder(item, grammar));
    for (const Order& earlier : orders) {
      if (earlier.entity == order.entity && earlier.key == order.key) {
        return Invalid("`order_by` contains duplicate fields: " + Quoted(item));
      }
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace muster::filter
