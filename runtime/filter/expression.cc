#include "runtime/filter/expression.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "runtime/filter/parse_steps.h"
#include "runtime/filter/python_text.h"

namespace muster::filter {

namespace {

using internal::Upper;

constexpr std::string_view kSpaces = " \t\r\n\f\v";
constexpr std::string_view kEndOfWord = " \t\r\n\f\v'\"`(),";

Error At(std::size_t byte, std::string_view wanted, std::string_view got) {
  return Invalid("Invalid filter string: at byte " + std::to_string(byte) + ": wanted " +
                 std::string(wanted) + ", got " + (got.empty() ? "the end" : PythonRepr(got)));
}

struct Token {
  std::string_view text;
  std::size_t at = 0;
  [[nodiscard]] std::size_t end() const { return at + text.size(); }
  /// A quoted text is no word, whatever stands in it.
  [[nodiscard]] bool Is(std::string_view word) const { return Upper(text) == word; }
};

/// Words, brackets and quoted texts; what clauses are made of is left to the reader of clauses.
Result<std::vector<Token>> ReadTokens(std::string_view text) {
  std::vector<Token> tokens;
  for (std::size_t at = text.find_first_not_of(kSpaces); at < text.size();
       at = text.find_first_not_of(kSpaces, at)) {
    std::size_t end = at + 1;
    if (const char c = text[at]; c == '\'' || c == '"' || c == '`') {
      end = text.find(c, at + 1);
      if (end == text.npos) return At(text.size(), std::string("the closing ") + c, "");
      ++end;
    } else if (c != '(' && c != ')' && c != ',') {
      end = std::min(text.find_first_of(kEndOfWord, at), text.size());
    }
    tokens.push_back({text.substr(at, end - at), at});
    at = end;
  }
  return tokens;
}

/// "max" and what of it the entity is called.
std::optional<std::string_view> FunctionOf(const Token& token) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kFunctions = {{
      {"LAST", "metric"},
      {"MAX", kMetricMax},
      {"MIN", kMetricMin},
      {"STEP", kMetricStep},
  }};
  for (const auto& [name, entity] : kFunctions) {
    if (token.Is(name)) return entity;
  }
  return std::nullopt;
}

/// A clause or an order, with what a function in front of it says taken off.
struct Plain {
  std::string text;
  std::optional<std::string_view> entity;

  /// Puts the function's entity in the place of the metric's.
  template <typename Named>
  Status Apply(Named& named) const {
    if (!entity) return Ok();
    if (named.entity != "metric") {
      return Invalid("last(), max(), min() and step() are of metrics, not of '" + named.entity +
                     "'");
    }
    named.entity = *entity;
    return Ok();
  }
};

/// Of the tokens [first, end) of `text`.
Result<Plain> TakeFunction(std::string_view text, const std::vector<Token>& tokens,
                           std::size_t first, std::size_t end) {
  const std::size_t begin = tokens[first].at, stop = tokens[end - 1].end();
  const auto entity = FunctionOf(tokens[first]);
  if (!entity || first + 1 >= end || tokens[first + 1].text != "(") {
    return Plain{std::string(text.substr(begin, stop - begin)), std::nullopt};
  }
  std::size_t close = first + 2;
  while (close < end && tokens[close].text != ")") ++close;
  if (close == end) return At(stop, "')'", "");
  if (close == first + 2) return At(tokens[close].at, "a metric", ")");
  const auto between = [&](std::size_t from, std::size_t to) {  // these tokens, as they are written
    return text.substr(tokens[from].at, tokens[to].end() - tokens[from].at);
  };
  Plain plain{std::string(between(first + 2, close - 1)), entity};
  if (close + 1 < end) (plain.text += ' ') += between(close + 1, end - 1);
  return plain;
}

class Parser {
 public:
  Parser(std::string_view text, const std::vector<Token>& tokens, const Grammar& grammar)
      : text_(text), tokens_(tokens), grammar_(grammar) {}

  Result<Expression> Parse() {
    MUSTER_ASSIGN_OR_RETURN(Expression all, ReadOr(0));
    if (at_ < tokens_.size()) return Expected("AND, OR or the end");
    return all;
  }

 private:
  [[nodiscard]] bool Next(std::string_view word) const {
    return at_ < tokens_.size() && tokens_[at_].Is(word);
  }
  bool Take(std::string_view word) {
    if (!Next(word)) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] Error Expected(std::string_view wanted) const {
    if (at_ == tokens_.size()) return At(text_.size(), wanted, "");
    return At(tokens_[at_].at, wanted, tokens_[at_].text);
  }

  Result<Expression> ReadOr(int depth) {
    return ReadList("OR", Expression::Kind::kOr, [&] {
      return ReadList("AND", Expression::Kind::kAnd, [&] { return ReadNot(depth); });
    });
  }

  template <typename Read>
  Result<Expression> ReadList(std::string_view word, Expression::Kind kind, Read read) {
    MUSTER_ASSIGN_OR_RETURN(Expression first, read());
    if (!Next(word)) return first;
    Expression list{.kind = kind};
    list.parts.push_back(std::move(first));
    while (Take(word)) {
      MUSTER_ASSIGN_OR_RETURN(Expression next, read());
      list.parts.push_back(std::move(next));
    }
    return list;
  }

  Result<Expression> ReadNot(int depth) {
    if (depth >= kMaxDepth) {
      return Invalid("Invalid filter string: nested more than " + std::to_string(kMaxDepth) +
                     " deep");
    }
    if (Take("NOT")) {
      MUSTER_ASSIGN_OR_RETURN(Expression inner, ReadNot(depth + 1));
      Expression negation{.kind = Expression::Kind::kNot};
      negation.parts.push_back(std::move(inner));
      return negation;
    }
    if (Take("(")) {
      MUSTER_ASSIGN_OR_RETURN(Expression inner, ReadOr(depth + 1));
      if (!Take(")")) return Expected("AND, OR or ')'");
      return inner;
    }
    return ReadClause();
  }

  /// Up to the next AND, OR or ')' that is not its own.
  Result<Expression> ReadClause() {
    const std::size_t first = at_;
    int open = 0;
    for (; at_ < tokens_.size(); ++at_) {
      const Token& token = tokens_[at_];
      if (token.text == ")" && open-- == 0) break;
      if (token.text == "(") ++open;
      if (open == 0 && (token.Is("AND") || token.Is("OR"))) break;
    }
    if (at_ == first) return Expected("a clause");
    if (++clauses_ > kMaxClauses) {
      return Invalid("Invalid filter string: more than " + std::to_string(kMaxClauses) +
                     " clauses");
    }
    MUSTER_ASSIGN_OR_RETURN(const Plain plain, TakeFunction(text_, tokens_, first, at_));
    MUSTER_ASSIGN_OR_RETURN(const Query query, ParseQuery(plain.text, {}, "", grammar_));
    if (query.clauses.size() != 1) {
      return At(tokens_[first].at, "one clause", plain.text);
    }
    Expression clause{.clause = query.clauses.front()};
    MUSTER_RETURN_IF_ERROR(plain.Apply(clause.clause));
    return clause;
  }

  const std::string_view text_;
  const std::vector<Token>& tokens_;
  const Grammar& grammar_;
  std::size_t at_ = 0;
  std::size_t clauses_ = 0;
};

Result<std::vector<Order>> ReadOwnOrders(const std::vector<std::string>& items,
                                         const Grammar& grammar) {
  std::vector<Order> orders;
  for (const std::string& item : items) {
    Plain plain{item, std::nullopt};
    const auto tokens = ReadTokens(item);
    if (tokens && !tokens->empty() && FunctionOf(tokens->front())) {
      MUSTER_ASSIGN_OR_RETURN(plain, TakeFunction(item, *tokens, 0, tokens->size()));
    }
    MUSTER_ASSIGN_OR_RETURN(const Query one, ParseQuery("", {plain.text}, "", grammar));
    Order order = one.orders.front();
    MUSTER_RETURN_IF_ERROR(plain.Apply(order));
    const auto same = [&](const Order& earlier) {
      return earlier.entity == order.entity && earlier.key == order.key;
    };
    if (std::ranges::any_of(orders, same)) {
      return Invalid("`order_by` contains duplicate fields: " + PythonList(items));
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace

Result<Query> ParseOwnQuery(std::string_view filter, const std::vector<std::string>& order_by,
                            std::string_view page_token, const Grammar& grammar) {
  // What MLflow understands means here what it means there.
  if (auto query = ParseQuery(filter, order_by, page_token, grammar)) return query;
  Query query;
  if (auto clauses = ParseQuery(filter, {}, "", grammar)) {
    query.clauses = std::move(clauses->clauses);
  } else {
    MUSTER_ASSIGN_OR_RETURN(const auto tokens, ReadTokens(filter));
    MUSTER_ASSIGN_OR_RETURN(query.where, Parser(filter, tokens, grammar).Parse());
  }
  if (order_by.size() > kMaxOrders) return ParseQuery("", order_by, "", grammar);
  MUSTER_ASSIGN_OR_RETURN(query.orders, ReadOwnOrders(order_by, grammar));
  MUSTER_ASSIGN_OR_RETURN(query.offset, PageOffset(page_token));
  return query;
}

}  // namespace muster::filter
