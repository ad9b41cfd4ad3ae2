#include "tracker/mlflow/fields.h"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <cctype>
#include <limits>

#include "runtime/wire/codec.h"
#include "tracker/mlflow/proto_json.h"
#include "tracker/mlflow/python_json.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

constexpr std::string_view kDocs =
    " See the API docs for more information about request parameters.";

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

json::object FromQuery(const http::Query& query) {
  json::object object;
  for (const auto& [name, values] : query) {
    if (values.size() == 1) {
      object[name] = values.front();
    } else {
      object[name] = json::array(values.begin(), values.end());
    }
  }
  return object;
}

Status CheckContentType(const http::Request& request) {
  if (request.method != "POST" && request.method != "PUT") return Ok();
  const std::string_view type = request.Header("Content-Type");
  if (type.empty()) return Invalid("Bad Request. Content-Type header is missing.");
  if (type.substr(0, type.find(';')) == "application/json") return Ok();
  return Invalid("Bad Request. Content-Type must be one of ['application/json'].");
}

}  // namespace

/// Its values lie one after the other and go in one piece: a body of 1,000 metrics has 5,000.
struct Fields::Document {
  explicit Document(std::size_t bytes = 1024) : memory(bytes) {}

  json::monotonic_resource memory;
  std::optional<json::value> root;  // in `memory`; nothing: no JSON
};

const json::object Fields::kNone;

Fields::Fields(json::object object) {
  const auto document = std::make_shared<Document>();
  object_ = &document->root.emplace(std::move(object)).get_object();
  document_ = document;
}

Fields Fields::FromBody(std::string_view body) {
  const auto document = std::make_shared<Document>(2 * body.size() + 64);
  const auto parse = [&](std::string_view text) {
    auto value = wire::ParseJson(text, std::numeric_limits<std::size_t>::max(), &document->memory);
    if (value) document->root.emplace(std::move(*value));  // assigned, it would be copied
  };
  parse(body);
  if (document->root && document->root->is_string()) {
    // Old clients encode the object twice.
    const std::string inner(View(document->root->get_string()));
    document->root.reset();
    parse(inner);
  }
  const bool object = document->root && document->root->is_object();
  return {document, object ? document->root->get_object() : kNone, ""};
}

Result<Fields> Fields::FromRequest(const http::Request& request) {
  if (request.method == "GET" && !request.query.empty()) {
    Fields fields(FromQuery(request.query));
    fields.from_query_ = true;
    return fields;
  }
  MUSTER_RETURN_IF_ERROR(CheckContentType(request));
  Fields fields = FromBody(request.body);
  MUSTER_RETURN_IF_ERROR(CheckSpelledOnce(*fields.object_));
  return fields;
}

const json::value* Fields::FindSpelled(std::string_view name) const {
  const json::value* value = object_->if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}

const json::value* Fields::Find(std::string_view name) const {
  const json::value* value = FindSpelled(name);
  if (from_query_) return value && value->is_array() ? &value->get_array().front() : value;
  if (value || name.find('_') == name.npos) return value;
  return FindSpelled(CamelCase(name));
}

std::string Fields::Shown(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Fields::MustHave(std::string_view name) {
  const json::value* value = FindSpelled(name);
  if (!value || (value->is_string() && value->get_string().empty())) Missing(name);
}

void Fields::Fail(Error error) {
  if (status_.ok()) status_ = std::move(error);
}

void Fields::Take(const Fields& inner) {
  if (!inner.status_.ok()) Fail(inner.status_.error());
}

void Fields::Missing(std::string_view name) {
  Fail(Invalid("Missing value for required parameter '" + Shown(name) + "'." + std::string(kDocs)));
}

void Fields::Wrong(std::string_view name, const json::value& value) {
  Fail(Invalid("Invalid value " + PythonJson(value) + " for parameter '" + Shown(name) +
               "' supplied:  Hint: Value was of type '" + std::string(PythonType(value)) + "'." +
               std::string(kDocs)));
}

std::optional<std::string> Fields::OptionalText(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return std::string(View(value->get_string()));
  Wrong(name, *value);
  return std::nullopt;
}

std::string Fields::Text(std::string_view name, std::string_view absent) {
  return OptionalText(name).value_or(std::string(absent));
}

std::optional<std::int64_t> Fields::Enumerator(
    std::string_view name, std::span<const std::pair<std::string_view, std::int64_t>> known) {
  const json::value* value = Find(name);
  if (!value) return std::nullopt;
  if (!value->is_string() && !value->is_int64()) {
    Wrong(name, *value);
    return std::nullopt;
  }
  const auto number = AsInt(*value);
  for (const auto& [spelled, meant] : known) {
    if (number ? *number == meant : View(value->get_string()) == spelled) return meant;
  }
  if (value->is_int64()) Wrong(name, *value);
  return std::nullopt;
}

std::string Fields::EnumeratorText(std::string_view name) {
  const json::value* value = Find(name);
  if (value && value->is_int64()) return std::to_string(value->get_int64());
  return Text(name);
}

std::string Fields::Required(std::string_view name) {
  if (!FindSpelled(name)) {
    Missing(name);
    return "";
  }
  std::string text = Text(name);
  if (text.empty()) Missing(name);
  return text;
}

std::string Fields::RunId(bool may_be_uuid) {
  if (FindSpelled("run_id") || !FindSpelled("run_uuid")) return Required("run_id");
  std::string id = Required("run_uuid");
  return may_be_uuid ? id : "";
}

std::optional<std::int64_t> Fields::OptionalInt(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return std::nullopt;
  const auto number = AsInt(*value);
  if (!number) Wrong(name, *value);
  return number;
}

std::int64_t Fields::Int(std::string_view name, std::int64_t absent) {
  return OptionalInt(name).value_or(absent);
}

std::int64_t Fields::IntUpTo(std::string_view name, std::int64_t most, std::int64_t absent) {
  const auto number = OptionalInt(name);
  if (number && *number > most) Wrong(name, *Find(name));
  return number.value_or(absent);
}

std::int64_t Fields::RequiredInt(std::string_view name) {
  MustHave(name);
  return Int(name, 0);
}

double Fields::RequiredDouble(std::string_view name) {
  const json::value* value = FindSpelled(name);
  if (!value || (value->is_string() && value->get_string().empty())) {
    Missing(name);
    return 0;
  }
  const auto number = AsDouble(*value);
  if (!number) Wrong(name, *value);
  return number.value_or(0);
}

bool Fields::Bool(std::string_view name, bool absent) {
  const json::value* value = Find(name);
  if (!value) return absent;
  if (value->is_bool()) return value->get_bool();
  if (!from_query_) {
    Wrong(name, *value);
    return absent;
  }
  const std::string text(View(value->get_string()));
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower != "true" && lower != "false") {
    Fail(Invalid("Invalid boolean value: " + text + ", must be 'true' or 'false'."));
  }
  return lower == "true";
}

std::vector<std::string> Fields::Texts(std::string_view name) {
  const json::value* value = from_query_ ? FindSpelled(name) : Find(name);
  if (!value) return {};
  // A repeated field that came once in a query.
  if (value->is_string() && from_query_) return {std::string(View(value->get_string()))};
  std::vector<std::string> texts;
  if (value->is_array()) {
    for (const json::value& element : value->get_array()) {
      if (element.is_string()) texts.emplace_back(View(element.get_string()));
    }
    if (texts.size() == value->get_array().size()) return texts;
  }
  Wrong(name, *value);
  return {};
}

std::vector<Fields> Fields::List(std::string_view name) {
  const json::value* value = Find(name);
  if (!value) return {};
  std::vector<Fields> list;
  if (value->is_array()) {
    for (const json::value& element : value->get_array()) {
      if (!element.is_object()) break;
      list.push_back({document_, element.get_object(),
                      std::string(name) + "[" + std::to_string(list.size()) + "]"});
    }
    if (list.size() == value->get_array().size()) return list;
  }
  Wrong(name, *value);
  return {};
}

Fields Fields::Object(std::string_view name) {
  const json::value* value = Find(name);
  if (value && value->is_object()) return {document_, value->get_object(), std::string(name)};
  if (value) Wrong(name, *value);
  return {nullptr, kNone, std::string(name)};
}

}  // namespace muster::tracker
