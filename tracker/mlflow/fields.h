#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

namespace muster::tracker {

/// The fields of one request, wherever they came from: the query of a GET, a JSON body, parts of the path.
/// Read them all, then ask status(): the first wrong one is reported, in MLflow's words. The rules of proto3's
/// JSON hold: numbers may be strings, unknown fields are skipped, null is absent.
class Fields {
 public:
  /// kInvalid for a body without "Content-Type: application/json". A body that is no JSON object is an empty
  /// one, as in MLflow: the required fields are then missing.
  static Result<Fields> FromRequest(const http::Request& request);
  explicit Fields(boost::json::object object, std::string path = "")
      : object_(std::move(object)), path_(std::move(path)) {}

  /// Required: absent and "" are errors.
  std::string Required(std::string_view name);
  /// Run ids may be called run_uuid.
  std::string RunId();
  std::string Text(std::string_view name, std::string_view absent = "");
  /// An enumerator: its name, or its number as digits.
  std::string Enumerator(std::string_view name, std::string_view absent);
  std::optional<std::string> OptionalText(std::string_view name);
  std::int64_t RequiredInt(std::string_view name);
  std::int64_t Int(std::string_view name, std::int64_t absent);
  std::optional<std::int64_t> OptionalInt(std::string_view name);
  /// "NaN", "Infinity", "-Infinity", and true as 1.
  double RequiredDouble(std::string_view name);
  bool Bool(std::string_view name, bool absent);
  std::vector<std::string> Texts(std::string_view name);
  /// The elements of a list of objects; their errors must be handed to Take.
  std::vector<Fields> List(std::string_view name);
  Fields Object(std::string_view name);
  [[nodiscard]] bool Has(std::string_view name) const;

  /// Takes over the error of `inner`, if it has one and this has none.
  void Take(const Fields& inner);
  void Fail(Error error);
  [[nodiscard]] Status status() const { return status_; }

 private:
  [[nodiscard]] const boost::json::value* Find(std::string_view name) const;
  void Missing(std::string_view name);
  void Wrong(std::string_view name, const boost::json::value& value);

  boost::json::object object_;
  std::string path_;  // "metrics[3]" for an element, before the names in messages
  Status status_;
};

}  // namespace muster::tracker
