#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Regular expressions over lines that nobody vouches for (a rank's output), in RE2's syntax
/// (https://github.com/google/re2/wiki/Syntax): no expression makes matching take more than linear time in the
/// line or more than a few MiB, so there are no backreferences and no look-around.

namespace muster::pattern {

/// Some expressions, asked together. Immutable; any thread.
class PatternSet {
 public:
  /// kInvalid "at [1]: ..." for the first expression that is wrong or too large.
  static Result<PatternSet> Compile(const std::vector<std::string>& expressions);

  /// Which of them are found anywhere in the line, ascending. The line need not be valid UTF-8; what is not
  /// matches no character.
  [[nodiscard]] std::vector<int> Match(std::string_view line) const;

 private:
  struct Compiled;
  explicit PatternSet(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace muster::pattern
