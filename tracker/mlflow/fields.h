#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/http.h"

namespace muster::tracker {

/// The fields of one request: the query of a GET that has one, else a JSON body. Read them in the order of
/// MLflow's schema, then ask status(): the first wrong one is reported, in MLflow's words. The rules of proto3's
/// JSON hold: numbers may be strings, enumerators numbers, names camelCase (but not those of required fields, as in
/// MLflow); unknown fields are skipped, null is absent.
class Fields {
 public:
  /// kInvalid for a body without "Content-Type: application/json", and for a field in both spellings. A body that
  /// is no JSON object is an empty one, as in MLflow: the required fields are then missing.
  static Result<Fields> FromRequest(const http::Request& request);
  explicit Fields(boost::json::object object);

  /// Required: absent and "" are errors.
  std::string Required(std::string_view name);
  /// Required; may be called run_uuid. MLflow's messages without a field of that name check it and then have "".
  std::string RunId(bool may_be_uuid);
  std::string Text(std::string_view name, std::string_view absent = "");
  std::optional<std::string> OptionalText(std::string_view name);
  /// An enumerator's number, from its name or number; nothing when absent or an unknown name. An unknown number is a
  /// value of the wrong type, as in MLflow.
  std::optional<std::int64_t> Enumerator(
      std::string_view name, std::span<const std::pair<std::string_view, std::int64_t>> known);
  /// An enumerator as it came: its name, or its number as digits.
  std::string EnumeratorText(std::string_view name);
  std::int64_t RequiredInt(std::string_view name);
  std::int64_t Int(std::string_view name, std::int64_t absent);
  std::optional<std::int64_t> OptionalInt(std::string_view name);
  /// Refuses a larger one as a value of the wrong type, as MLflow does.
  std::int64_t IntUpTo(std::string_view name, std::int64_t most, std::int64_t absent);
  /// "NaN", "Infinity", "-Infinity", and true as 1.
  double RequiredDouble(std::string_view name);
  bool Bool(std::string_view name, bool absent);
  std::vector<std::string> Texts(std::string_view name);
  /// The elements of a list of objects; their errors must be handed to Take.
  std::vector<Fields> List(std::string_view name);
  Fields Object(std::string_view name);
  [[nodiscard]] bool Has(std::string_view name) const { return Find(name) != nullptr; }
  /// Required lists: kInvalid when the field is not there or ""; an empty list is there.
  void MustHave(std::string_view name);

  /// Takes over the error of `inner`, if it has one and this has none.
  void Take(const Fields& inner);
  void Fail(Error error);
  [[nodiscard]] Status status() const { return status_; }

 private:
  /// The JSON of a request, which its Fields share.
  struct Document;
  static const boost::json::object kNone;

  Fields(std::shared_ptr<const Document> document, const boost::json::object& object,
         std::string path)
      : document_(std::move(document)), object_(&object), path_(std::move(path)) {}
  static Fields FromBody(std::string_view body);

  /// As it is spelled, or in camelCase; a repeated key of a query is its first value.
  [[nodiscard]] const boost::json::value* Find(std::string_view name) const;
  [[nodiscard]] const boost::json::value* FindSpelled(std::string_view name) const;
  [[nodiscard]] std::string Shown(std::string_view name) const;
  void Missing(std::string_view name);
  void Wrong(std::string_view name, const boost::json::value& value);

  std::shared_ptr<const Document> document_;
  const boost::json::object* object_;  // in the document
  std::string path_;                   // "metrics[3]" for an element, before the names in messages
  bool from_query_ = false;
  Status status_;
};

}  // namespace muster::tracker
