#include "tuner/constraint_token.h"

#include <array>
#include <charconv>

namespace muster::tuner {
namespace {

using Token = ConstraintToken;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

Result<Token> Quoted(std::string_view text, std::size_t at) {
  const auto end = text.find(text[at], at + 1);
  if (end == std::string_view::npos) {
    return ConstraintError(at, std::string("the ") + text[at] + " that opens here is not closed");
  }
  const bool name = text[at] == '`';
  return Token{.type = name ? Token::Type::kName : Token::Type::kText,
               .text = std::string(text.substr(at + 1, end - at - 1)),
               .at = at,
               .length = end + 1 - at,
               .backquoted = name};
}

Result<Token> Number(std::string_view text, std::size_t at) {
  Token token{.type = Token::Type::kNumber, .at = at};
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), token.number);
  if (error != std::errc{}) return ConstraintError(at, "wanted a number that a double can hold");
  token.text = std::string(begin, end);
  token.length = token.text.size();
  return token;
}

Token Unquoted(Token::Type type, std::string_view text, std::size_t at) {
  return {.type = type, .text = std::string(text), .at = at, .length = text.size()};
}

}  // namespace

Error ConstraintError(std::size_t at, const std::string& message) {
  return Invalid("at character " + std::to_string(at + 1) + ": " + message);
}

Result<ConstraintToken> NextToken(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n')) ++at;
  if (at == text.size()) return Token{.at = at};
  const char c = text[at];
  if (c == '\'' || c == '"' || c == '`') return Quoted(text, at);
  if (IsDigit(c) || (c == '.' && at + 1 < text.size() && IsDigit(text[at + 1]))) {
    return Number(text, at);
  }
  if (IsLetter(c)) {
    std::size_t end = at;
    while (end < text.size() && (IsLetter(text[end]) || IsDigit(text[end]) || text[end] == '.')) {
      ++end;
    }
    return Unquoted(Token::Type::kName, text.substr(at, end - at), at);
  }
  constexpr std::array<std::string_view, 12> kSigns{"<=", ">=", "==", "!=", "<", ">",
                                                    "+",  "-",  "*",  "/",  "(", ")"};
  for (const auto sign : kSigns) {
    if (text.substr(at).starts_with(sign)) return Unquoted(Token::Type::kSign, sign, at);
  }
  const std::string shown(text.substr(at, 1));
  return ConstraintError(at,
                         "'" + shown + "' means nothing here" + (c == '=' ? "; equal is ==" : ""));
}

}  // namespace muster::tuner
