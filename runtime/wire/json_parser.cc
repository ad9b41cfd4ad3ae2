#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <utility>

#include "runtime/wire/codec.h"

namespace muster::wire {

namespace {

using boost::json::error_code;
using boost::json::string_view;

/// Builds the value. Boost 1.81's own parser rounds some doubles to a neighbour (1/7 does not come back as it
/// was sent), so a double is read again from its text with from_chars, which is exact.
struct Builder {
  static constexpr std::size_t max_object_size = boost::json::object::max_size();
  static constexpr std::size_t max_array_size = boost::json::array::max_size();
  static constexpr std::size_t max_key_size = boost::json::string::max_size();
  static constexpr std::size_t max_string_size = boost::json::string::max_size();

  std::array<unsigned char, 2048> buffer;
  boost::json::value_stack stack{{}, buffer.data(), buffer.size()};
  std::string number;  // the parts of a number that came so far
  std::size_t values_left = 0;
  bool overrun = false;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code& error) { return Count(error); }
  bool on_array_begin(error_code& error) { return Count(error); }
  bool on_object_end(std::size_t size, error_code&) {
    stack.push_object(size);
    return true;
  }
  bool on_array_end(std::size_t size, error_code&) {
    stack.push_array(size);
    return true;
  }
  bool on_key_part(string_view text, std::size_t, error_code&) { return Chars(text); }
  bool on_key(string_view text, std::size_t, error_code&) {
    stack.push_key(text);
    return true;
  }
  bool on_string_part(string_view text, std::size_t, error_code&) { return Chars(text); }
  bool on_string(string_view text, std::size_t, error_code& error) {
    stack.push_string(text);
    return Count(error);
  }
  bool on_number_part(string_view text, error_code&) {
    number.append(text);
    return true;
  }
  bool on_int64(std::int64_t value, string_view, error_code& error) {
    number.clear();
    stack.push_int64(value);
    return Count(error);
  }
  bool on_uint64(std::uint64_t value, string_view, error_code& error) {
    number.clear();
    stack.push_uint64(value);
    return Count(error);
  }
  bool on_double(double rounded, string_view text, error_code& error) {
    number.append(text);
    double exact = 0;
    const char* end = number.data() + number.size();
    const auto [stop, wrong] = std::from_chars(number.data(), end, exact);
    stack.push_double(wrong == std::errc() && stop == end ? exact : rounded);
    number.clear();
    return Count(error);
  }
  bool on_bool(bool value, error_code& error) {
    stack.push_bool(value);
    return Count(error);
  }
  bool on_null(error_code& error) {
    stack.push_null();
    return Count(error);
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

 private:
  bool Chars(string_view text) {
    stack.push_chars(text);
    return true;
  }
  /// One value more. The error is a stand-in: ParseJson sees that none were left.
  bool Count(error_code& error) {
    if (values_left > 0) {
      --values_left;
      return true;
    }
    overrun = true;
    error = boost::json::error::array_too_large;
    return false;
  }
};

}  // namespace

Result<Json> ParseJson(std::string_view text, std::size_t values_max,
                       boost::json::storage_ptr storage) {
  boost::json::basic_parser<Builder> parser{boost::json::parse_options()};
  parser.handler().stack.reset(std::move(storage));
  parser.handler().values_left = values_max;
  error_code failure;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), failure);
  if (parser.handler().overrun)
    return ResourceExhausted("more than " + std::to_string(values_max) + " JSON values");
  if (failure || read != text.size()) {
    return Invalid("malformed JSON at byte " + std::to_string(read) +
                   (failure ? ": " + failure.message() : ": text after the value"));
  }
  return parser.handler().stack.release();
}

}  // namespace muster::wire
