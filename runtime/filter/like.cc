#include <cctype>
#include <cmath>

#include "runtime/filter/filter.h"

namespace muster::filter {

namespace {

char Fold(char c, bool fold) {
  return fold ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : c;
}

template <typename T>
bool Compare(Op op, const T& a, const T& b) {
  switch (op) {
    case Op::kEqual:
      return a == b;
    case Op::kNotEqual:
      return a != b;
    case Op::kGreater:
      return a > b;
    case Op::kGreaterEqual:
      return a >= b;
    case Op::kLess:
      return a < b;
    case Op::kLessEqual:
      return a <= b;
    default:
      return false;
  }
}

bool Contains(const std::vector<std::string>& list, std::string_view value) {
  for (const std::string& item : list) {
    if (item == value) return true;
  }
  return false;
}

}  // namespace

// Greedy with one point of return: after a mismatch only the last '%' needs to swallow one byte more.
// '_' takes a whole character of UTF-8, as in SQLite.
bool Like(std::string_view pattern, std::string_view text, bool fold_case) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '_' || Fold(pattern[p], fold_case) == Fold(text[t], fold_case))) {
      const bool any = pattern[p++] == '_';
      ++t;
      while (any && t < text.size() && (text[t] & 0xC0) == 0x80) ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool Matches(const Clause& clause, std::optional<std::string_view> value) {
  if (clause.op == Op::kIsNull) return !value;
  if (!value) return false;
  switch (clause.op) {
    case Op::kIsNotNull:
      return true;
    case Op::kIn:
      return Contains(clause.list, *value);
    case Op::kNotIn:
      return !Contains(clause.list, *value);
    case Op::kLike:
      return Like(clause.text, *value, false);
    case Op::kIlike:
      return Like(clause.text, *value, true);
    default:
      return Compare(clause.op, *value, std::string_view(clause.text));
  }
}

bool Matches(const Clause& clause, std::optional<double> value) {
  if (clause.op == Op::kIsNull) return !value;
  if (!value) return false;
  if (clause.op == Op::kIsNotNull) return true;
  return Compare(clause.op, *value, clause.number);
}

}  // namespace muster::filter
