#pragma once

#include <string_view>
#include <vector>

/// A filter's text as MLflow sees it. MLflow reads filters with sqlparse, a formatter of SQL, so what a text means
/// (or which of its words an error names) is what sqlparse makes of it; this does the same for the part of SQL that
/// filters use. Pure; never fails: what is no part of the language comes out as pieces that the parser refuses.

namespace muster::filter {

enum class Kind {
  kIdentifier,  ///< a name, dotted or quoted: name, tags.a, tags.`x y`, "x"
  kString,      ///< 'x'
  kInteger,
  kFloat,
  kList,       ///< (...)
  kOperation,  ///< arithmetic: a/b
  kOperator,   ///< = >= LIKE ...
  kAnd,
  kKeyword,     ///< OR, NOT, IN, IS, NULL, NOT NULL, ...
  kArithmetic,  ///< + - * / %
  kOther,       ///< punctuation, comments, unclosed quotes
  kComparison,  ///< left operator right
};

/// A stretch of the text.
struct Piece {
  Kind kind = Kind::kOther;
  std::string_view text;
};

struct Group : Piece {
  /// Of a comparison: three, or two for "IS NULL" and "IS NOT NULL", whose operator's text is that.
  std::vector<Piece> parts;
};

/// Comparisons and what stands between them, without the spaces. IN, NOT IN, IS NULL and IS NOT NULL are
/// comparisons, too.
std::vector<Group> ReadGroups(std::string_view text);

/// kNone: spaces only; kSeveral: something stands behind a ';'.
enum class Statements { kNone, kOne, kSeveral };
Statements CountStatements(std::string_view text);

}  // namespace muster::filter
