#include "runtime/filter/tokens.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>
#include <string>

#include "runtime/filter/parse_steps.h"

namespace muster::filter {

namespace {

constexpr std::string_view kComparisonBytes = "<>=~!";
constexpr std::string_view kArithmeticBytes = "+-*/%@^&|";
/// Those of SQL's that stand in filters; sqlparse knows some 800.
constexpr std::array<std::string_view, 15> kKeywords = {
    "OR",     "NOT",  "IN",    "IS",      "NULL",  "NONE", "TRUE",   "FALSE",
    "SELECT", "FROM", "WHERE", "BETWEEN", "ORDER", "AS",   "VERSION"};

using internal::Upper;

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
/// \w, with every byte of other scripts.
bool IsWord(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) || c == '_';
}

/// What a byte later on becomes: names are kept apart from identifiers until they are joined at dots.
struct Lexer {
  std::string_view text;
  std::size_t at = 0;

  char Peek(std::size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }
  Piece Take(Kind kind, std::size_t length) {
    const Piece piece{kind, text.substr(at, length)};
    at += length;
    return piece;
  }

  /// The length of a quoted text that begins here, with '' inside for one quote; 0 when it does not end.
  std::size_t Quoted(char quote) const {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '\\' && quote != '`' && i + 1 < text.size() && text[i + 1] == quote) {
        ++i;
      } else if (text[i] == quote) {
        if (i + 1 >= text.size() || text[i + 1] != quote) return i + 1 - at;
        ++i;
      }
    }
    return 0;
  }

  /// A number here, as long as no name goes on behind it.
  std::optional<Piece> Number() {
    std::size_t i = at + (Peek() == '-' ? 1 : 0);
    const std::size_t digits = i;
    const auto skip = [&] {
      while (i < text.size() && IsDigit(text[i])) ++i;
    };
    skip();
    const bool whole = i > digits;
    bool real = false;
    if (i < text.size() && text[i] == '.' &&
        (whole || (i + 1 < text.size() && IsDigit(text[i + 1])))) {
      real = true;
      ++i;
      skip();
    }
    if (!whole && !real) return std::nullopt;
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
      const std::size_t mantissa = i++;
      if (i < text.size() && text[i] == '-') ++i;
      const std::size_t exponent = i;
      skip();
      if (i > exponent) return Take(Kind::kFloat, i - at);
      i = mantissa;
    }
    if (i < text.size() && IsWord(text[i])) return std::nullopt;
    return Take(real ? Kind::kFloat : Kind::kInteger, i - at);
  }

  Piece Word() {
    std::size_t i = at;
    while (i < text.size() && (IsWord(text[i]) || text[i] == '$' || text[i] == '#')) ++i;
    const std::string_view word = text.substr(at, i - at);
    // Before and after a dot every word is a name.
    while (i < text.size() && IsSpace(text[i])) ++i;
    const bool dotted = (at > 0 && text[at - 1] == '.') || (i < text.size() && text[i] == '.');
    const std::string upper = Upper(word);
    if (dotted) return Take(Kind::kIdentifier, word.size());
    if (upper == "AND") return Take(Kind::kAnd, word.size());
    if (upper == "LIKE" || upper == "ILIKE" || upper == "RLIKE") {
      return Take(Kind::kOperator, word.size());
    }
    if (upper == "NOT" && i > at + 3 && Upper(text.substr(i, 4)) == "NULL" &&
        (i + 4 == text.size() || !IsWord(text[i + 4]))) {
      return Take(Kind::kKeyword, i + 4 - at);
    }
    const bool known = std::ranges::find(kKeywords, upper) != kKeywords.end();
    return Take(known ? Kind::kKeyword : Kind::kIdentifier, word.size());
  }

  Piece Next() {
    const char c = Peek();
    if ((c == '-' && Peek(1) == '-') || c == '#') {
      return Take(Kind::kOther, std::min(text.find('\n', at), text.size()) - at);
    }
    if (c == '\'' || c == '"' || c == '`') {
      const std::size_t length = Quoted(c);
      if (length == 0) return Take(Kind::kOther, 1);
      return Take(c == '\'' ? Kind::kString : Kind::kIdentifier, length);
    }
    if (auto number = Number()) return *number;
    if (IsWord(c)) return Word();
    std::size_t length = 1;
    if (kComparisonBytes.find(c) != kComparisonBytes.npos) {
      while (kComparisonBytes.find(Peek(length)) != kComparisonBytes.npos && Peek(length)) ++length;
      return Take(Kind::kOperator, length);
    }
    return Take(
        kArithmeticBytes.find(c) != kArithmeticBytes.npos ? Kind::kArithmetic : Kind::kOther, 1);
  }
};

std::vector<Piece> Lex(std::string_view text) {
  std::vector<Piece> pieces;
  Lexer lexer{text};
  while (lexer.at < text.size()) {
    if (IsSpace(lexer.Peek())) {
      ++lexer.at;
    } else {
      pieces.push_back(lexer.Next());
    }
  }
  return pieces;
}

/// From the first piece to the last, with what stands between them.
Piece Joined(Kind kind, const Piece& first, const Piece& last) {
  const char* begin = first.text.data();
  const char* end = last.text.data() + last.text.size();
  return {kind, std::string_view(begin, end)};
}

/// "(" to its ")" become one piece; an open one stays what it is.
std::vector<Piece> JoinLists(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  std::vector<std::size_t> open;
  for (const Piece& piece : pieces) {
    if (piece.kind == Kind::kOther && piece.text == "(") open.push_back(out.size());
    if (piece.kind != Kind::kOther || piece.text != ")" || open.empty()) {
      out.push_back(piece);
      continue;
    }
    const Piece list = Joined(Kind::kList, out[open.back()], piece);
    out.resize(open.back());
    open.pop_back();
    out.push_back(list);
  }
  return out;
}

/// a . b becomes one identifier.
std::vector<Piece> JoinDots(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool dot = pieces[i].kind == Kind::kOther && pieces[i].text == ".";
    if (!dot || out.empty() || out.back().kind != Kind::kIdentifier) {
      out.push_back(pieces[i]);
      continue;
    }
    const bool more = i + 1 < pieces.size() && (pieces[i + 1].kind == Kind::kIdentifier ||
                                                pieces[i + 1].kind == Kind::kString);
    out.back() = Joined(Kind::kIdentifier, out.back(), pieces[more ? i + 1 : i]);
    i += more ? 1 : 0;
  }
  return out;
}

bool IsOperand(const Piece& piece) {
  return piece.kind == Kind::kIdentifier || piece.kind == Kind::kString ||
         piece.kind == Kind::kInteger || piece.kind == Kind::kFloat || piece.kind == Kind::kList ||
         piece.kind == Kind::kOperation;
}

std::vector<Piece> JoinOperations(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].kind == Kind::kArithmetic && !out.empty() && IsOperand(out.back()) &&
        i + 1 < pieces.size() && IsOperand(pieces[i + 1])) {
      out.back() = Joined(Kind::kOperation, out.back(), pieces[i + 1]);
      ++i;
    } else {
      out.push_back(pieces[i]);
    }
  }
  return out;
}

bool IsWordPiece(const Piece& piece, std::string_view upper) {
  return piece.kind == Kind::kKeyword && Upper(piece.text) == upper;
}

Group Comparison(std::vector<Piece> parts, const Piece& last) {
  Group group;
  static_cast<Piece&>(group) = Joined(Kind::kComparison, parts.front(), last);
  group.parts = std::move(parts);
  return group;
}

Group Alone(const Piece& piece) {
  Group group;
  static_cast<Piece&>(group) = piece;
  return group;
}

/// How many pieces from the front are an identifier with IN, NOT IN, IS NULL or IS NOT NULL; 0: none.
std::size_t TakeWordComparison(std::span<const Piece> pieces, std::vector<Group>& out) {
  if (pieces.size() < 3 || pieces[0].kind != Kind::kIdentifier) return 0;
  const auto add = [&](std::string_view op, std::size_t count, bool with_value) {
    std::vector<Piece> parts = {pieces[0], {Kind::kOperator, op}};
    if (with_value) parts.push_back(pieces[count - 1]);
    out.push_back(Comparison(std::move(parts), pieces[count - 1]));
    return count;
  };
  if (IsWordPiece(pieces[1], "IN") && pieces[2].kind == Kind::kList) return add("IN", 3, true);
  if (IsWordPiece(pieces[1], "IS") && IsWordPiece(pieces[2], "NULL"))
    return add("IS NULL", 3, false);
  if (IsWordPiece(pieces[1], "IS") && pieces[2].kind == Kind::kKeyword &&
      Upper(pieces[2].text).starts_with("NOT") && pieces[2].text.size() > 3) {
    return add("IS NOT NULL", 3, false);
  }
  if (pieces.size() > 3 && IsWordPiece(pieces[1], "NOT") && IsWordPiece(pieces[2], "IN") &&
      pieces[3].kind == Kind::kList) {
    return add("NOT IN", 4, true);
  }
  return 0;
}

}  // namespace

std::vector<Group> ReadGroups(std::string_view text) {
  const auto pieces = JoinOperations(JoinDots(JoinLists(Lex(text))));
  std::vector<Group> groups;
  for (std::size_t i = 0; i < pieces.size();) {
    const auto rest = std::span(pieces).subspan(i);
    if (const std::size_t taken = TakeWordComparison(rest, groups)) {
      i += taken;
    } else if (rest.size() >= 3 && IsOperand(rest[0]) && rest[1].kind == Kind::kOperator &&
               (IsOperand(rest[2]) || IsWordPiece(rest[2], "NULL"))) {
      groups.push_back(Comparison({rest[0], rest[1], rest[2]}, rest[2]));
      i += 3;
    } else {
      groups.push_back(Alone(pieces[i++]));
    }
  }
  return groups;
}

Statements CountStatements(std::string_view text) {
  const auto pieces = Lex(text);
  if (pieces.empty()) return Statements::kNone;
  const auto end = std::ranges::find(pieces, ";", &Piece::text);
  return end != pieces.end() && end + 1 != pieces.end() ? Statements::kSeveral : Statements::kOne;
}

}  // namespace muster::filter
