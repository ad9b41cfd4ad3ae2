#include "tuner/constraint.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/space.h"

namespace muster::tuner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A number or an integer as a double; NaN for the other kinds.
double NumberOf(const ParamValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  const auto* real = std::get_if<double>(&value);
  return real == nullptr ? kInactive : *real;
}

bool IsNumber(const ParamValue& value) { return !std::isnan(NumberOf(value)); }

bool Same(const ParamValue& a, const ParamValue& b) {
  return IsNumber(a) && IsNumber(b) ? NumberOf(a) == NumberOf(b) : a == b;
}

}  // namespace

/// Texts are never copied: they belong to parameters and constants.
struct Constraint::Value {
  enum class Kind : std::uint8_t { kNumber, kTruth, kText } kind = Kind::kNumber;
  double number = 0;
  bool truth = false;
  const std::string* text = nullptr;

  [[nodiscard]] static Value Of(const ParamValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return {Kind::kText, 0, false, text};
    if (const auto* truth = std::get_if<bool>(&value)) return {Kind::kTruth, 0, *truth};
    return {.number = NumberOf(value)};
  }
  [[nodiscard]] bool Equals(const Value& b) const {
    if (kind != b.kind) return false;
    if (kind == Kind::kNumber) return number == b.number;
    return kind == Kind::kTruth ? truth == b.truth : *text == *b.text;
  }
};

Constraint::Value Constraint::Apply(const Node& node, const Value& a, const Value& b) {
  const auto number = [](double x) { return Value{.number = x}; };
  const auto truth = [](bool x) { return Value{.kind = Value::Kind::kTruth, .truth = x}; };
  switch (node.op) {
    case Op::kNegate:
      return number(-a.number);
    case Op::kAdd:
      return number(a.number + b.number);
    case Op::kSubtract:
      return number(a.number - b.number);
    case Op::kMultiply:
      return number(a.number * b.number);
    case Op::kDivide:
      return number(a.number / b.number);
    case Op::kLess:
      return truth(a.number < b.number);
    case Op::kLessEqual:
      return truth(a.number <= b.number);
    case Op::kEqual:
      return truth(a.Equals(b));
    case Op::kNotEqual:
      return truth(!a.Equals(b));
    case Op::kNot:
      return truth(!a.truth);
    case Op::kAnd:
      return truth(a.truth && b.truth);
    case Op::kOr:
      return truth(a.truth || b.truth);
    case Op::kConstant:
    case Op::kParameter:
      break;
  }
  return {};
}

bool Constraint::Holds(std::span<const double> values) const {
  for (const std::size_t parameter : mentions_) {
    if (std::isnan(values[parameter])) return true;
  }
  std::vector<Value> stack(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (node.op == Op::kConstant) {
      stack[i] = Value::Of(node.values[0]);
    } else if (node.op == Op::kParameter) {
      const double value = values[node.left];
      stack[i] = node.values.empty() ? Value{.number = value}
                                     : Value::Of(node.values[static_cast<std::size_t>(value)]);
    } else {
      stack[i] = Apply(node, stack[node.left], stack[node.right]);
    }
  }
  return stack.back().truth;
}

/// What a node can be. Bounds are exact: rounding to nearest keeps order, so the ends give the ends.
struct Constraint::Range {
  double low = kInfinity, high = -kInfinity;
  bool nan = false;                            ///< as a number, may be NaN
  bool may_hold = false, may_fail = false;     ///< as a truth
  bool listed = false;                         ///< `values` are all that it can be
  std::vector<const ParamValue*> values = {};  ///< of a choice or constant

  void Add(double x) {
    if (std::isnan(x)) {
      nan = true;
    } else {
      low = std::min(low, x);
      high = std::max(high, x);
    }
  }
  [[nodiscard]] bool single() const {
    return low == high && !nan && (!listed || values.size() == 1);
  }

  [[nodiscard]] static Range Listed(const std::vector<ParamValue>& all) {
    Range range{.listed = true};
    for (const ParamValue& value : all) {
      range.values.push_back(&value);
      if (IsNumber(value)) range.Add(NumberOf(value));
      if (const auto* truth = std::get_if<bool>(&value))
        (*truth ? range.may_hold : range.may_fail) = true;
    }
    return range;
  }
  [[nodiscard]] static Range Truth(bool may_hold, bool may_fail) {
    return {.may_hold = may_hold, .may_fail = may_fail};
  }
};

Constraint::Range Constraint::Bound(const Node& node, const Range& a, const Range& b) {
  const auto ends = [&](auto operation) {
    Range range{.nan = a.nan || b.nan};
    for (const double x : {a.low, a.high}) {
      for (const double y : {b.low, b.high}) range.Add(operation(x, y));
    }
    // An infinite end may have made a NaN of what is a number in between.
    if (range.nan) range.low = -kInfinity, range.high = kInfinity;
    return range;
  };
  const bool nan = a.nan || b.nan;
  const auto equal = [&]() -> Range {
    if (a.listed && b.listed) {
      bool may_hold = false, may_fail = false;
      for (const auto* x : a.values) {
        for (const auto* y : b.values) (Same(*x, *y) ? may_hold : may_fail) = true;
      }
      return Range::Truth(may_hold, may_fail);
    }
    if (a.low > a.high || b.low > b.high) return Range::Truth(true, true);  // truths
    return Range::Truth(a.low <= b.high && b.low <= a.high,
                        nan || !(a.single() && b.single() && a.low == b.low));
  };
  switch (node.op) {
    case Op::kNegate:
      return {.low = -a.high, .high = -a.low, .nan = a.nan};
    case Op::kAdd:
      return ends([](double x, double y) { return x + y; });
    case Op::kSubtract:
      return ends([](double x, double y) { return x - y; });
    case Op::kMultiply:
      return ends([](double x, double y) { return x * y; });
    case Op::kDivide:
      if (b.low <= 0 && b.high >= 0) return {.low = -kInfinity, .high = kInfinity, .nan = true};
      return ends([](double x, double y) { return x / y; });
    case Op::kLess:
      return Range::Truth(a.low < b.high, nan || a.high >= b.low);
    case Op::kLessEqual:
      return Range::Truth(a.low <= b.high, nan || a.high > b.low);
    case Op::kEqual:
      return equal();
    case Op::kNotEqual: {
      const Range range = equal();
      return Range::Truth(range.may_fail, range.may_hold);
    }
    case Op::kNot:
      return Range::Truth(a.may_fail, a.may_hold);
    case Op::kAnd:
      return Range::Truth(a.may_hold && b.may_hold, a.may_fail || b.may_fail);
    case Op::kOr:
      return Range::Truth(a.may_hold || b.may_hold, a.may_fail && b.may_fail);
    case Op::kConstant:
    case Op::kParameter:
      break;
  }
  return {};
}

bool Constraint::NeverHolds(std::span<const Parameter> parameters) const {
  for (const std::size_t parameter : mentions_) {
    if (!parameters[parameter].when.empty()) return false;
  }
  std::vector<Range> stack(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (!node.values.empty()) {
      stack[i] = Range::Listed(node.values);
    } else if (node.op == Op::kParameter) {
      const auto& domain = std::get<NumericDomain>(parameters[node.left].domain);
      stack[i] = Range{.low = domain.low, .high = domain.high};
    } else {
      stack[i] = Bound(node, stack[node.left], stack[node.right]);
    }
  }
  return !stack.back().may_hold;
}

}  // namespace muster::tuner
