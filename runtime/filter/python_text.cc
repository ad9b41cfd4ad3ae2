#include "runtime/filter/python_text.h"

#include <re2/re2.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace muster::filter {

namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of a text that is not empty; a byte that begins none is a character of its own.
Character First(std::string_view utf8) {
  const auto lead = static_cast<unsigned char>(utf8[0]);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
  if (bytes == 0 || utf8.size() < bytes) return {lead, 1, false};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(utf8[i]);
    if ((next & 0xC0) != 0x80) return {lead, 1, false};
    code = code << 6 | (next & 0x3F);
  }
  return {code, bytes, true};
}

std::string Hex(std::uint32_t code, int digits) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) hex += kDigits[code >> shift & 15];
  return hex;
}

/// Two of them beyond the 16 bits that one holds.
std::string JsonEscape(std::uint32_t code) {
  if (code < 0x10000) return "\\u" + Hex(code, 4);
  const std::uint32_t rest = code - 0x10000;
  return "\\u" + Hex(0xD800 + (rest >> 10), 4) + "\\u" + Hex(0xDC00 + (rest & 0x3FF), 4);
}

}  // namespace

std::string PythonJson(std::string_view utf8) {
  static constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  std::string json = "\"";
  while (!utf8.empty()) {
    const Character c = First(utf8);
    const std::string_view bytes = utf8.substr(0, c.bytes);
    utf8.remove_prefix(c.bytes);
    const std::size_t escaped = c.valid && c.code < 0x80 ? kEscaped.find(bytes[0]) : kEscaped.npos;
    if (escaped != kEscaped.npos) {
      json += {'\\', kLetters[escaped]};
    } else if (c.valid && (c.code < 0x20 || c.code >= 0x7F) && c.code != 0x7F) {
      json += JsonEscape(c.code);
    } else {
      json += bytes;
    }
  }
  return json + "\"";
}

std::string PythonRepr(std::string_view utf8) {
  static constexpr std::string_view kEscaped = "\n\r\t\\", kLetters = "nrt\\";
  const bool doubled =
      utf8.find('\'') != std::string_view::npos && utf8.find('"') == std::string_view::npos;
  const char quote = doubled ? '"' : '\'';
  std::string repr(1, quote);
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t escaped = kEscaped.find(c); escaped != kEscaped.npos) {
      repr += {'\\', kLetters[escaped]};
    } else if (byte < 0x20 || byte == 0x7F) {
      repr += "\\x" + Hex(byte, 2);
    } else {
      if (c == quote) repr += '\\';
      repr += c;
    }
  }
  return repr + quote;
}

std::string PythonRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double size = std::abs(value);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  std::array<char, 32> buffer{};
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  std::string text(buffer.data(), end);
  if (!scientific && text.find('.') == text.npos) text += ".0";
  return text;
}

std::string PythonItems(std::span<const std::string> items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + PythonRepr(item);
  return text;
}

std::string PythonList(std::span<const std::string> items) {
  return "[" + PythonItems(items) + "]";
}

bool HasOnlyWords(std::string_view utf8, std::string_view also) {
  // \w is exactly the letters, the numbers and "_".
  static const RE2 kWord("[\\pL\\pN]", RE2::Quiet);
  while (!utf8.empty()) {
    const Character c = First(utf8);
    const std::string_view bytes = utf8.substr(0, c.bytes);
    utf8.remove_prefix(c.bytes);
    if (c.valid && c.code < 0x80) {
      if (!std::isalnum(static_cast<int>(c.code)) && bytes[0] != '_' &&
          also.find(bytes[0]) == also.npos) {
        return false;
      }
    } else if (!c.valid || !RE2::FullMatch(re2::StringPiece(bytes.data(), bytes.size()), kWord)) {
      return false;
    }
  }
  return true;
}

}  // namespace muster::filter
