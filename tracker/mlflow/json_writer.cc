#include "tracker/mlflow/json_writer.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>

namespace muster::tracker {
namespace {

/// Looks at all of it, which goes by many bytes at once.
bool NeedsEscape(std::string_view text) {
  bool any = false;
  for (const char c : text) any |= static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
  return any;
}

}  // namespace

void JsonWriter::Comma() {
  if (!first_) out_ += ',';
  first_ = false;
}

void JsonWriter::Quote() {
  out_ += first_ ? std::string_view("\"") : std::string_view(",\"");
  first_ = false;
}

JsonWriter& JsonWriter::Begin(char bracket) {
  Comma();
  out_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::End(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view name) {
  Quote();
  out_ += name;
  out_ += "\":";
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Text(std::string_view text) {
  if (NeedsEscape(text)) {
    Comma();
    out_ += boost::json::serialize(boost::json::string_view(text));
    return *this;
  }
  Quote();
  out_ += text;
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::Number(std::int64_t number) {
  Comma();
  std::array<char, 24> digits{};
  out_.append(digits.data(), std::to_chars(digits.data(), digits.data() + 24, number).ptr);
  return *this;
}

JsonWriter& JsonWriter::Number(double number) {
  if (std::isnan(number)) return Text("NaN");
  if (std::isinf(number)) return Text(number > 0 ? "Infinity" : "-Infinity");
  Comma();
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + 32, number).ptr;
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  out_ += text;
  // A whole number stays one of floating point for readers that tell them apart.
  if (text.find_first_of(".e") == text.npos) out_ += ".0";
  return *this;
}

}  // namespace muster::tracker
