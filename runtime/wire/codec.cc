#include "runtime/wire/codec.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>

namespace muster::wire {

namespace {

/// Builds the value as Boost's own parser does, but for doubles: that of Boost 1.81 is off by a last bit for
/// one number in ten and more, so that a value would change each time it is stored and read.
struct Builder {
  static constexpr std::size_t max_object_size = boost::json::object::max_size();
  static constexpr std::size_t max_array_size = boost::json::array::max_size();
  static constexpr std::size_t max_key_size = boost::json::string::max_size();
  static constexpr std::size_t max_string_size = boost::json::string::max_size();
  using Text = boost::json::string_view;
  using Failure = boost::json::error_code;

  boost::json::value_stack stack;
  std::string number;  ///< its parts so far

  bool on_document_begin(Failure&) { return true; }
  bool on_document_end(Failure&) { return true; }
  bool on_object_begin(Failure&) { return true; }
  bool on_object_end(std::size_t size, Failure&) { return stack.push_object(size), true; }
  bool on_array_begin(Failure&) { return true; }
  bool on_array_end(std::size_t size, Failure&) { return stack.push_array(size), true; }
  bool on_key_part(Text part, std::size_t, Failure&) { return stack.push_chars(part), true; }
  bool on_key(Text part, std::size_t, Failure&) { return stack.push_key(part), true; }
  bool on_string_part(Text part, std::size_t, Failure&) { return stack.push_chars(part), true; }
  bool on_string(Text part, std::size_t, Failure&) { return stack.push_string(part), true; }
  bool on_number_part(Text part, Failure&) { return number.append(part), true; }
  bool on_int64(std::int64_t value, Text, Failure&) {
    number.clear();
    return stack.push_int64(value), true;
  }
  bool on_uint64(std::uint64_t value, Text, Failure&) {
    number.clear();
    return stack.push_uint64(value), true;
  }
  bool on_double(double value, Text part, Failure&) {
    number.append(part);
    double exact = value;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), exact);
    number.clear();
    return stack.push_double(read.ec == std::errc() ? exact : value), true;
  }
  bool on_bool(bool value, Failure&) { return stack.push_bool(value), true; }
  bool on_null(Failure&) { return stack.push_null(), true; }
  bool on_comment_part(Text, Failure&) { return true; }
  bool on_comment(Text, Failure&) { return true; }
};

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  boost::json::basic_parser<Builder> parser{boost::json::parse_options()};
  parser.handler().stack.reset();
  boost::json::error_code failure;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), failure);
  if (failure || read != text.size()) {
    return Invalid("malformed JSON at byte " + std::to_string(read) +
                   (failure ? ": " + failure.message() : ": text after the value"));
  }
  return parser.handler().stack.release();
}

std::string SerializeJson(const Json& value) { return boost::json::serialize(value); }

namespace internal {

std::string EnumeratorText(std::string_view enumerator) {
  if (enumerator.starts_with('k')) enumerator.remove_prefix(1);
  std::string text;
  for (const char letter : enumerator) {
    const bool upper = letter >= 'A' && letter <= 'Z';
    if (upper && !text.empty()) text += '_';
    text += upper ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return text;
}

std::string Excerpt(const Json& value) {
  static constexpr std::size_t kMost = 60;
  std::string text = SerializeJson(value);
  if (text.size() > kMost) text = text.substr(0, kMost - 3) + "...";
  return text;
}

Error WrongType(std::string_view wanted, const Json& got) {
  return Invalid("wanted " + std::string(wanted) + ", got " + Excerpt(got));
}

Result<double> DecodeDouble(const Json& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  }
  return WrongType("a number", value);
}

Result<std::int64_t> DecodeInteger(const Json& value, std::int64_t low, std::int64_t high) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_double() && value.get_double() == std::floor(value.get_double()) &&
             std::abs(value.get_double()) < 0x1p53) {
    number = static_cast<std::int64_t>(value.get_double());
  } else {
    return WrongType("an integer", value);
  }
  if (number < low || number > high) {
    return Invalid("wanted an integer from " + std::to_string(low) + " to " + std::to_string(high) +
                   ", got " + std::to_string(number));
  }
  return number;
}

Json EncodeDouble(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Error AtPath(Error error, std::string_view outer) {
  // "at PATH: SENTENCE"; a path grows to the left as the error travels up.
  std::string path(outer);
  std::string sentence = error.message;
  if (error.message.starts_with("at ") && error.message.find(": ") != std::string::npos) {
    const auto colon = error.message.find(": ");
    const std::string inner = error.message.substr(3, colon - 3);
    path += inner.starts_with('[') ? inner : "." + inner;
    sentence = error.message.substr(colon + 2);
  }
  error.message = "at " + path + ": " + sentence;
  return error;
}

}  // namespace internal
}  // namespace muster::wire
