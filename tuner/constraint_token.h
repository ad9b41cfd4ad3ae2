#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// The words of a constraint's text; the grammar over them is in constraint_parse.cc.

namespace muster::tuner {

struct ConstraintToken {
  enum class Type { kNumber, kText, kName, kSign, kEnd };
  Type type = Type::kEnd;
  std::string text;  ///< of a text or name, without its quotes
  double number = 0;
  std::size_t at = 0;       ///< in the whole text, from 0
  std::size_t length = 0;   ///< there, quotes included
  bool backquoted = false;  ///< a name that is no keyword
  [[nodiscard]] bool Is(std::string_view sign) const {
    return text == sign && !backquoted && (type == Type::kSign || type == Type::kName);
  }
};

/// The token that begins at or after `at`.
Result<ConstraintToken> NextToken(std::string_view text, std::size_t at);

/// What is wrong with a constraint, and at which character (shown from 1).
Error ConstraintError(std::size_t at, const std::string& message);

}  // namespace muster::tuner
