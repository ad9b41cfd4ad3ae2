// A constraint's text -> its nodes, by recursive descent; each rule of the grammar is a function.
#include <algorithm>
#include <array>
#include <optional>

#include "tuner/constraint.h"
#include "tuner/constraint_token.h"
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
  using Token = ConstraintToken;
  struct Part {
    std::size_t node = 0;
    Kind kind = Kind::kNumber;
    std::size_t at = 0;  ///< where its text begins
  };

  Status Advance() {
    MUSTER_ASSIGN_OR_RETURN(token_, NextToken(text_, token_.at + token_.length));
    return Ok();
  }

  [[nodiscard]] Error Wanted(const std::string& what) const {
    const std::string seen(std::string_view(text_).substr(token_.at, token_.length));
    return ConstraintError(token_.at,
                           "wanted " + what + ", got " +
                               (token_.type == Token::Type::kEnd ? "the end" : "'" + seen + "'"));
  }

  static Status Expect(const Part& part, Kind kind, const std::string& who) {
    if (part.kind == kind) return Ok();
    return ConstraintError(part.at, who + " wants " + std::string(NameOf(kind)) + ", got " +
                                        std::string(NameOf(part.kind)));
  }

  Part Make(Op op, const Part& left, const Part& right, Kind kind) {
    made_.nodes_.push_back({.op = op, .left = left.node, .right = right.node, .values = {}});
    return {made_.nodes_.size() - 1, kind, std::min(left.at, right.at)};
  }

  /// Operands of one rank: a - b - c is (a - b) - c.
  Result<Part> LeftToRight(Result<Part> (ConstraintParser::*operand)(), Kind kind,
                           std::initializer_list<std::pair<std::string_view, Op>> operators) {
    MUSTER_ASSIGN_OR_RETURN(Part left, (this->*operand)());
    for (;;) {
      const auto* found = std::ranges::find_if(
          operators, [&](const auto& entry) { return token_.Is(entry.first); });
      if (found == operators.end()) return left;
      const std::string who = "`" + std::string(found->first) + "`";
      MUSTER_RETURN_IF_ERROR(Advance());
      MUSTER_ASSIGN_OR_RETURN(const Part right, (this->*operand)());
      MUSTER_RETURN_IF_ERROR(Expect(left, kind, who));
      MUSTER_RETURN_IF_ERROR(Expect(right, kind, who));
      left = Make(found->second, left, right, kind);
    }
  }

  Result<Part> Or() { return LeftToRight(&ConstraintParser::And, Kind::kTruth, {{"or", Op::kOr}}); }

  Result<Part> And() {
    return LeftToRight(&ConstraintParser::Not, Kind::kTruth, {{"and", Op::kAnd}});
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

  Result<Part> Sum() {
    return LeftToRight(&ConstraintParser::Product, Kind::kNumber,
                       {{"+", Op::kAdd}, {"-", Op::kSubtract}});
  }

  Result<Part> Product() {
    return LeftToRight(&ConstraintParser::Unary, Kind::kNumber,
                       {{"*", Op::kMultiply}, {"/", Op::kDivide}});
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
      return ConstraintError(token_.at,
                             "there is no parameter '" + token_.text + "'; wanted one of " + known);
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
    return ConstraintError(token_.at, "nested deeper than " + std::to_string(Constraint::kDeepest));
  }

  const std::string& text_;
  std::span<const Parameter> parameters_;
  Constraint made_;
  Token token_;
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
