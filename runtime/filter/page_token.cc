#include <cctype>
#include <charconv>

#include "runtime/base/base64.h"
#include "runtime/filter/filter.h"
#include "runtime/filter/python_text.h"

namespace muster::filter {

namespace {

constexpr std::string_view kHead = "{\"offset\": ", kTail = "}";

Error InvalidToken(const std::string& why) { return Invalid("Invalid page token, " + why); }

/// repr of bytes, without its "b".
std::string PythonBytes(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string shown;
  for (const char c : PythonRepr(bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      shown += c;
    } else {
      shown += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return shown;
}

}  // namespace

std::string PageToken(std::int64_t offset) {
  return EncodeBase64(std::string(kHead) + std::to_string(offset) + std::string(kTail));
}

Result<std::int64_t> PageOffset(std::string_view token) {
  if (token.empty()) return std::int64_t{0};
  // As Python decodes: what is none of base64's characters is skipped.
  std::string known(token);
  std::erase_if(known, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '/' && c != '=';
  });
  const auto decoded = DecodeBase64(known);
  if (!decoded) return InvalidToken("could not base64-decode");
  std::string_view text = *decoded;
  if (text.starts_with(kHead) && text.ends_with(kTail)) {
    text = text.substr(kHead.size(), text.size() - kHead.size() - kTail.size());
    std::int64_t offset = -1;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
    if (error == std::errc() && stop == text.data() + text.size() && offset > 0) return offset;
  }
  return InvalidToken("decoded value=b" + PythonBytes(*decoded));
}

}  // namespace muster::filter
