#include "tracker/mlflow/python_json.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "runtime/filter/python_text.h"

namespace muster::tracker {

namespace {

namespace json = boost::json;

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

/// The two ways of json.dumps that MLflow uses, and repr.
struct Style {
  std::string_view comma, colon;
  bool sorted;
  bool repr = false;
};

std::string QuotedText(std::string_view text, const Style& style) {
  return style.repr ? filter::PythonRepr(text) : filter::PythonJson(text);
}

std::string Text(const json::value& value, const Style& style);

std::string ArrayText(const json::array& array, const Style& style) {
  std::string text = "[";
  for (const json::value& item : array) {
    if (text.size() > 1) text += style.comma;
    text += Text(item, style);
  }
  return text + "]";
}

std::string ObjectText(const json::object& object, const Style& style) {
  std::vector<std::pair<std::string_view, const json::value*>> members;
  for (const auto& member : object) members.emplace_back(member.key(), &member.value());
  if (style.sorted) std::ranges::sort(members, {}, [](const auto& member) { return member.first; });
  std::string text = "{";
  for (const auto& [key, value] : members) {
    if (text.size() > 1) text += style.comma;
    text += QuotedText(key, style) + std::string(style.colon) + Text(*value, style);
  }
  return text + "}";
}

std::string Text(const json::value& value, const Style& style) {
  switch (value.kind()) {
    case json::kind::double_:
      return filter::PythonRepr(value.get_double());
    case json::kind::string:
      return QuotedText(View(value.get_string()), style);
    case json::kind::null:
      return style.repr ? "None" : "null";
    case json::kind::bool_:
      if (style.repr) return value.get_bool() ? "True" : "False";
      return json::serialize(value);
    case json::kind::array:
      return ArrayText(value.get_array(), style);
    case json::kind::object:
      return ObjectText(value.get_object(), style);
    default:
      return json::serialize(value);
  }
}

}  // namespace

std::string PythonJson(const json::value& value) { return Text(value, {",", ":", true}); }
std::string PythonDumps(const json::value& value) { return Text(value, {", ", ": ", false}); }
std::string PythonRepr(const json::value& value) {
  return Text(value, {", ", ": ", false, /*repr=*/true});
}

std::string_view PythonType(const json::value& value) {
  switch (value.kind()) {
    case json::kind::bool_:
      return "bool";
    case json::kind::int64:
    case json::kind::uint64:
      return "int";
    case json::kind::double_:
      return "float";
    case json::kind::string:
      return "str";
    case json::kind::array:
      return "list";
    case json::kind::object:
      return "dict";
    case json::kind::null:
      break;
  }
  return "NoneType";
}

}  // namespace muster::tracker
