#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "tuner/params.h"

/// What must hold between parameters, as people write it:
///
///   lr * batch_size < 1        layers <= 4 or width < 512        optimizer != 'sgd' or momentum > 0.5
///
/// From the loosest to the tightest: `or`; `and`; `not`; one of < <= > >= == !=; + and -; * and /; the sign -.
/// Then numbers, texts in '' or "", true, false, names of parameters and brackets. A name that is not made of
/// letters, digits, _ and . stands in `backquotes`. A choice counts as what its values are; one of several kinds
/// can only be compared by == and !=, where values of different kinds differ. Arithmetic is in doubles; a comparison
/// with NaN (0/0) is false, but for !=.

namespace muster::tuner {

struct Parameter;

/// Immutable; pure.
class Constraint {
 public:
  static constexpr std::size_t kMostCharacters = 4096;
  static constexpr int kDeepest = 100;  ///< brackets, signs and nots in one another

  /// kInvalid says at which character (from 1) what was wanted and what stands there.
  static Result<Constraint> Parse(const std::string& text, std::span<const Parameter> parameters);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// Indices of the parameters that it mentions, ascending, each once.
  [[nodiscard]] const std::vector<std::size_t>& mentions() const { return mentions_; }

  /// `values` has one a parameter: the number itself, the index of a choice, or NaN of an inactive one. Holds
  /// when a parameter that it mentions is inactive.
  [[nodiscard]] bool Holds(std::span<const double> values) const;
  /// Whether interval arithmetic over all values of the parameters, each apart from the others, proves that it
  /// holds nowhere. False of one that mentions a parameter with conditions: it holds where that is inactive.
  [[nodiscard]] bool NeverHolds(std::span<const Parameter> parameters) const;

  friend bool operator==(const Constraint& a, const Constraint& b) { return a.text_ == b.text_; }

 private:
  friend class ConstraintParser;
  enum class Op : std::uint8_t {
    kConstant,
    kParameter,
    kNegate,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kLess,  // a > b is b < a
    kLessEqual,
    kEqual,
    kNotEqual,
    kNot,
    kAnd,
    kOr,
  };
  /// Operands come before their operator, so one pass over the nodes evaluates.
  struct Node {
    Op op = Op::kConstant;
    std::size_t left = 0, right = 0;  ///< nodes; of kParameter: left is the parameter
    std::vector<ParamValue> values;   ///< a constant's; a choice's; empty for a number's parameter
  };
  struct Value;
  struct Range;
  [[nodiscard]] static Value Apply(const Node& node, const Value& a, const Value& b);
  [[nodiscard]] static Range Bound(const Node& node, const Range& a, const Range& b);

  std::string text_;
  std::vector<Node> nodes_;  ///< the last is the whole
  std::vector<std::size_t> mentions_;
};

}  // namespace muster::tuner
