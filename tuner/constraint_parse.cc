// A constraint's text -> its nodes, by recursive descent; each rule of the grammar is a function.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "tuner/constraint.h"
#include "tuner/space.h"

namespace muster::tuner {
namespace {

/// What a node yields. kMixed: a choice with values of several kinds.
enum class Kind { kNumber, kText, kTruth, kMixed };

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kNumber:
      return "a number";
    case Kind::kText:
      return "a text";
    case Kind::kTruth:
      return "true or false";
    case Kind::kMixed:
      return "a choice of several kinds";
  }
  return "";
}

Kind KindOf(const ParamValue& value) {
  if (std::holds_alternative<bool>(value)) return Kind::kTruth;
  return std::holds_alternative<std::string>(value) ? Kind::kText : Kind::kNumber;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

struct Token {
  enum class Type { kNumber, kText, kName, kSign, kEnd };
  Type type = Type::kEnd;
  std::string text;  ///< of a text or name, without its quotes
  double number = 0;
  std::size_t at = 0;       ///< in the whole text, from 0
  bool backquoted = false;  ///< a name that is no keyword
  [[nodiscard]] bool Is(std::string_view sign) const {
    return text == sign && !backquoted && (type == Type::kSign || type == Type::kName);
  }
};

Error At(std::size_t at, const std::string& message) {
  return Invalid("at character " + std::to_string(at + 1) + ": " + message);
}

Result<Token> Quoted(std::string_view text, std::size_t at) {
  const auto end = text.find(text[at], at + 1);
  if (end == std::string_view::npos) {
    return At(at, std::string("the ") + text[at] + " that opens here is not closed");
  }
  const bool name = text[at] == '`';
  return Token{.type = name ? Token::Type::kName : Token::Type::kText,
               .text = std::string(text.substr(at + 1, end - at - 1)),
               .at = at,
               .backquoted = name};
}

Result<Token> NumberToken(std::string_view text, std::size_t at) {
  Token token{.type = Token::Type::kNumber, .at = at};
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), token.number);
  if (error != std::errc{}) return At(at, "wanted a number that a double can hold");
  token.text = std::string(begin, end);
  return token;
}

/// The token that begins at or after `at`, and how many characters it is long, quotes included.
Result<std::pair<Token, std::size_t>> Next(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n')) ++at;
  if (at == text.size()) return std::pair(Token{.at = at}, std::size_t{0});
  const char c = text[at];
  if (c == '\'' || c == '"' || c == '`') {
    MUSTER_ASSIGN_OR_RETURN(auto token, Quoted(text, at));
    const std::size_t length = token.text.size() + 2;
    return std::pair(std::move(token), length);
  }
  if (IsDigit(c) || (c == '.' && at + 1 < text.size() && IsDigit(text[at + 1]))) {
    MUSTER_ASSIGN_OR_RETURN(auto token, NumberToken(text, at));
    const std::size_t length = token.text.size();
    return std::pair(std::move(token), length);
  }
  if (IsLetter(c)) {
    std::size_t end = at;
    while (end < text.size() && (IsLetter(text[end]) || IsDigit(text[end]) || text[end] == '.')) {
      ++end;
    }
    return std::pair(
        Token{.type = Token::Type::kName, .text = std::string(text.substr(at, end - at)), .at = at},
        end - at);
  }
  constexpr std::array<std::string_view, 12> kSigns{"<=", ">=", "==", "!=", "<", ">",
                                                    "+",  "-",  "*",  "/",  "(", ")"};
  for (const auto sign : kSigns) {
    if (!text.substr(at).starts_with(sign)) continue;
    return std::pair(Token{.type = Token::Type::kSign, .text = std::string(sign), .at = at},
                     sign.size());
  }
  const std::string shown(text.substr(at, 1));
  return At(at, "'" + shown + "' means nothing here" + (c == '=' ? "; equal is ==" : ""));
}

}  // namespace

class ConstraintParser {
 public:
  ConstraintParser(const std::string& text, std::span<const Parameter> parameters)
      : text_(text), parameters_(parameters) {}

  Result<Constraint> Parse() {
    MUSTER_RETURN_IF_ERROR(Advance());
    MUSTER_ASSIGN_OR_RETURN(const Part whole, Or());
    if (token_.type != Token::Type::kEnd) return Wanted("an operator or the end");
    MUSTER_RETURN_IF_ERROR(Expect(whole, Kind::kTruth, "a constraint"));
    made_.text_ = text_;
    std::ranges::sort(made_.mentions_);
    const auto twice = std::ranges::unique(made_.mentions_);
    made_.mentions_.erase(twice.begin(), twice.end());
    return std::move(made_);
  }

 private:
  using Op = Constraint::Op;
  struct Part {
    std::size_t node = 0;
    Kind kind = Kind::kNumber;
    std::size_t at = 0;  ///< where its text begins
  };

  Status Advance() {
    MUSTER_ASSIGN_OR_RETURN(auto next, Next(text_, end_));
    token_ = std::move(next.first);
    end_ = token_.at + next.second;
    return Ok();
  }

  [[nodiscard]] Error Wanted(const std::string& what) const {
    const std::string seen(std::string_view(text_).substr(token_.at, end_ - token_.at));
    return At(token_.at, "wanted " + what + ", got " +
                             (token_.type == Token::Type::kEnd ? "the end" : "'" + seen + "'"));
  }

  static Status Expect(const Part& part, Kind kind, const std::string& who) {
    if (part.kind == kind) return Ok();
    return At(part.at, who + " wants " + std::string(NameOf(kind)) + ", got " +
                           std::string(NameOf(part.kind)));
  }

  Part Make(Op op, const Part& left, const Part& right, Kind kind) {
    made_.nodes_.push_back({.op = op, .left = left.node, .right = right.node, .values = {}});
    return {made_.nodes_.size() - 1, kind, std::min(left.at, right.at)};
  }

  Result<Part> Or() {
    MUSTER_ASSIGN_OR_RETURN(Part left, And());
    while (token_.Is("or")) {
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(const Part right, And());
      MUSTER_RETURN_IF_ERROR(Expect(left, Kind::kTruth, "`or`"));
      MUSTER_RETURN_IF_ERROR(Expect(right, Kind::kTruth, "`or`"));
      left = Make(Op::kOr, left, right, Kind::kTruth);
    }
    return left;
  }

  Result<Part> And() {
    MUSTER_ASSIGN_OR_RETURN(Part left, Not());
    while (token_.Is("and")) {
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(const Part right, Not());
      MUSTER_RETURN_IF_ERROR(Expect(left, Kind::kTruth, "`and`"));
      MUSTER_RETURN_IF_ERROR(Expect(right, Kind::kTruth, "`and`"));
      left = Make(Op::kAnd, left, right, Kind::kTruth);
    }
    return left;
  }

  Result<Part> Not() {
    if (!token_.Is("not")) return Comparison();
    MUSTER_RETURN_IF_ERROR(Deeper());
    const std::size_t at = token_.at;
    MUSTER_RETURN_IF_ERROR(Advance());
    MUSTER_ASSIGN_OR_RETURN(Part part, Not());
    MUSTER_RETURN_IF_ERROR(Expect(part, Kind::kTruth, "`not`"));
    --depth_;
    part.at = at;
    return Make(Op::kNot, part, part, Kind::kTruth);
  }

  Result<Part> Comparison() {
    MUSTER_ASSIGN_OR_RETURN(const Part left, Sum());
    constexpr std::array<std::string_view, 6> kComparisons{"<", "<=", ">", ">=", "==", "!="};
    const auto* found =
        std::ranges::find_if(kComparisons, [&](auto sign) { return token_.Is(sign); });
    if (found == kComparisons.end()) return left;
    const std::string_view sign = *found;
    MUSTER_RETURN_IF_ERROR(Advance());
    MUSTER_ASSIGN_OR_RETURN(const Part right, Sum());
    if (sign == "==" || sign == "!=") {
      const bool mixed = left.kind == Kind::kMixed || right.kind == Kind::kMixed;
      if (!mixed) MUSTER_RETURN_IF_ERROR(Expect(right, left.kind, "this comparison"));
      return Make(sign == "==" ? Op::kEqual : Op::kNotEqual, left, right, Kind::kTruth);
    }
    const std::string who = "`" + std::string(sign) + "`";
    MUSTER_RETURN_IF_ERROR(Expect(left, Kind::kNumber, who));
    MUSTER_RETURN_IF_ERROR(Expect(right, Kind::kNumber, who));
    const Op op = sign.size() == 1 ? Op::kLess : Op::kLessEqual;
    return sign[0] == '<' ? Make(op, left, right, Kind::kTruth)
                          : Make(op, right, left, Kind::kTruth);
  }

  Result<Part> Arithmetic(const Part& left, Op op, const std::string& sign, const Part& right) {
    MUSTER_RETURN_IF_ERROR(Expect(left, Kind::kNumber, "`" + sign + "`"));
    MUSTER_RETURN_IF_ERROR(Expect(right, Kind::kNumber, "`" + sign + "`"));
    return Make(op, left, right, Kind::kNumber);
  }

  Result<Part> Sum() {
    MUSTER_ASSIGN_OR_RETURN(Part left, Product());
    while (token_.Is("+") || token_.Is("-")) {
      const std::string sign = token_.text;
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(const Part right, Product());
      MUSTER_ASSIGN_OR_RETURN(
          left, Arithmetic(left, sign == "+" ? Op::kAdd : Op::kSubtract, sign, right));
    }
    return left;
  }

  Result<Part> Product() {
    MUSTER_ASSIGN_OR_RETURN(Part left, Unary());
    while (token_.Is("*") || token_.Is("/")) {
      const std::string sign = token_.text;
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(const Part right, Unary());
      MUSTER_ASSIGN_OR_RETURN(
          left, Arithmetic(left, sign == "*" ? Op::kMultiply : Op::kDivide, sign, right));
    }
    return left;
  }

  Result<Part> Unary() {
    if (!token_.Is("-")) return Primary();
    MUSTER_RETURN_IF_ERROR(Deeper());
    const std::size_t at = token_.at;
    MUSTER_RETURN_IF_ERROR(Advance());
    MUSTER_ASSIGN_OR_RETURN(Part part, Unary());
    MUSTER_RETURN_IF_ERROR(Expect(part, Kind::kNumber, "`-`"));
    --depth_;
    part.at = at;
    return Make(Op::kNegate, part, part, Kind::kNumber);
  }

  Result<Part> Primary() {
    const std::size_t at = token_.at;
    if (token_.Is("(")) {
      MUSTER_RETURN_IF_ERROR(Deeper());
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(Part part, Or());
      if (!token_.Is(")")) return Wanted("an operator or )");
      MUSTER_RETURN_IF_ERROR(Advance());
      --depth_;
      part.at = at;
      return part;
    }
    std::optional<ParamValue> constant;
    if (token_.type == Token::Type::kNumber) constant = token_.number;
    if (token_.type == Token::Type::kText) constant = token_.text;
    if (token_.Is("true") || token_.Is("false")) constant = token_.text == "true";
    if (constant) {
      const Kind kind = KindOf(*constant);
      made_.nodes_.push_back({.op = Op::kConstant, .values = {std::move(*constant)}});
      MUSTER_RETURN_IF_ERROR(Advance());
      return Part{made_.nodes_.size() - 1, kind, at};
    }
    const bool keyword = token_.Is("and") || token_.Is("or") || token_.Is("not");
    if (token_.type == Token::Type::kName && !keyword) return Name();
    return Wanted("a number, a text, a parameter or (");
  }

  Result<Part> Name() {
    const auto found = std::ranges::find(parameters_, token_.text, &Parameter::name);
    if (found == parameters_.end()) {
      std::string known;
      for (const auto& parameter : parameters_) {
        known.append(known.empty() ? "" : ", ").append(parameter.name);
      }
      return At(token_.at, "there is no parameter '" + token_.text + "'; wanted one of " + known);
    }
    const auto index = static_cast<std::size_t>(found - parameters_.begin());
    made_.nodes_.push_back({.op = Op::kParameter, .left = index, .values = {}});
    made_.mentions_.push_back(index);
    Part part{made_.nodes_.size() - 1, Kind::kNumber, token_.at};
    if (const auto* choice = std::get_if<ChoiceDomain>(&found->domain)) {
      made_.nodes_.back().values = choice->values;
      part.kind = KindOf(choice->values[0]);
      const bool alike = std::ranges::all_of(
          choice->values, [&](const ParamValue& value) { return KindOf(value) == part.kind; });
      if (!alike) part.kind = Kind::kMixed;
    }
    MUSTER_RETURN_IF_ERROR(Advance());
    return part;
  }

  Status Deeper() {
    if (++depth_ <= Constraint::kDeepest) return Ok();
    return At(token_.at, "nested deeper than " + std::to_string(Constraint::kDeepest));
  }

  const std::string& text_;
  std::span<const Parameter> parameters_;
  Constraint made_;
  Token token_;
  std::size_t end_ = 0;  ///< of token_, in text_
  int depth_ = 0;
};

Result<Constraint> Constraint::Parse(const std::string& text,
                                     std::span<const Parameter> parameters) {
  if (text.size() > kMostCharacters) {
    return Invalid("wanted at most " + std::to_string(kMostCharacters) + " characters, got " +
                   std::to_string(text.size()));
  }
  return ConstraintParser(text, parameters).Parse();
}

}  // namespace muster::tuner
