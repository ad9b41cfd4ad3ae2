#include "runtime/wire/json_text.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "runtime/wire/codec.h"

namespace muster::wire::internal {
namespace {

template <typename Integer>
void AppendInteger(std::string& out, Integer number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

bool NeedsEscape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

}  // namespace

void AppendValue(std::string& out, const boost::json::value& value) {
  out += boost::json::serialize(value);
}
void AppendObject(std::string& out, const boost::json::object& object) {
  out += boost::json::serialize(object);
}
void AppendArray(std::string& out, const boost::json::array& array) {
  out += boost::json::serialize(array);
}
void AppendNumber(std::string& out, std::int64_t number) { AppendInteger(out, number); }
void AppendNumber(std::string& out, std::uint64_t number) { AppendInteger(out, number); }
void AppendNumber(std::string& out, double number) { AppendValue(out, EncodeDouble(number)); }

void AppendText(std::string& out, std::string_view text) {
  if (std::ranges::any_of(text, NeedsEscape)) {
    out += boost::json::serialize(boost::json::string_view(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

}  // namespace muster::wire::internal
