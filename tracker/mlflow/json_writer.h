#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace muster::tracker {

/// JSON as text, ready to be sent.
struct JsonText {
  std::string text;
};

/// Writes JSON without building values first, for answers of megabytes. The caller balances Begin and End and puts a
/// Key before each member. Text must be UTF-8.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Begin('{'); }
  JsonWriter& EndObject() { return End('}'); }
  JsonWriter& BeginArray() { return Begin('['); }
  JsonWriter& EndArray() { return End(']'); }
  /// `name` is ours: it has nothing to escape.
  JsonWriter& Key(std::string_view name);
  JsonWriter& Text(std::string_view text);
  JsonWriter& Number(std::int64_t number);
  /// The shortest text that gives the number again; NaN and infinities as protobuf's JSON has them.
  JsonWriter& Number(double number);

  [[nodiscard]] JsonText Take() { return {std::move(out_)}; }

 private:
  JsonWriter& Begin(char bracket);
  JsonWriter& End(char bracket);
  /// Of the value that comes now.
  void Comma();
  /// And the quotation mark that it begins with.
  void Quote();

  std::string out_;
  bool first_ = true;  // of its list, or after its key
};

}  // namespace muster::tracker
