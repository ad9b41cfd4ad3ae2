#include "runtime/config/yaml_tree.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "runtime/config/suggest.h"
#include "runtime/wire/error_path.h"

namespace muster::config {

namespace json = boost::json;

namespace {

/// Of lists and maps within each other; an alias may even contain itself.
constexpr int kMaxDepth = 64;
/// Of a file: a few lines of aliases of aliases stand for billions.
constexpr std::size_t kMaxValues = 200'000;

/// A plain (unquoted) scalar by YAML 1.2's core schema; a quoted one is a string.
json::value ScalarToJson(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return json::value(text);
  if (text == "true" || text == "false") return text == "true";
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (auto read = std::from_chars(text.data(), end, whole);
      read.ptr == end && read.ec == std::errc())
    return whole;
  double number = 0;
  if (auto read = std::from_chars(text.data(), end, number);
      read.ptr == end && read.ec == std::errc() &&
      (text[0] == '-' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9')))
    return number;
  return json::value(text);
}

}  // namespace

std::string PlaceOf(std::string_view file, const YAML::Mark& mark) {
  return std::string(file) + ":" + std::to_string(mark.line + 1) + ":" +
         std::to_string(mark.column + 1);
}

Result<YAML::Node> YamlTree::Load(std::string_view text) const {
  try {
    return YAML::Load(std::string(text));
  } catch (const YAML::Exception& failure) {
    return Invalid(PlaceOf(file_, failure.mark) + ": " + failure.msg);
  }
}

Result<json::value> YamlTree::Convert(const YAML::Node& node, const std::string& path, int depth) {
  if (depth > kMaxDepth) {
    return Invalid(PlaceOf(file_, node.Mark()) + ": more than " + std::to_string(kMaxDepth) +
                   " lists and maps within each other");
  }
  if (++values_ > kMaxValues) {
    return Invalid(PlaceOf(file_, node.Mark()) + ": more than " + std::to_string(kMaxValues) +
                   " values, aliases written out");
  }
  if (!node.IsSequence() && !node.IsMap() && is_text_(path)) return json::value(node.Scalar());
  if (node.IsSequence()) {
    json::array list;
    for (std::size_t i = 0; i < node.size(); ++i) {
      const std::string here = path + "[" + std::to_string(i) + "]";
      places_[here] = PlaceOf(file_, node[i].Mark());
      MUSTER_ASSIGN_OR_RETURN(auto element, Convert(node[i], here, depth + 1));
      list.push_back(std::move(element));
    }
    return json::value(std::move(list));
  }
  if (!node.IsMap()) return node.IsScalar() ? ScalarToJson(node) : json::value(nullptr);
  json::object map;
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const std::string here = path.empty() ? key : path + "." + key;
    if (map.contains(key)) {
      return Invalid(PlaceOf(file_, entry.first.Mark()) + ": key '" + key +
                     "' is there twice; first at " + places_[here]);
    }
    places_[here] = PlaceOf(file_, entry.first.Mark());
    MUSTER_ASSIGN_OR_RETURN(map[key], Convert(entry.second, here, depth + 1));
  }
  return json::value(std::move(map));
}

Error ExplainPlace(const Error& error, const std::string& file, const Places& places) {
  const auto located = wire::SplitPath(error.message);
  if (!located) return {error.kind, file + ": " + error.message};
  auto [path, sentence] = *located;
  const std::string key = path.substr(path.find_last_of('.') + 1);
  if (sentence.starts_with("unknown key")) {
    sentence = "unknown key '" + key + "'" + sentence.substr(std::string("unknown key").size());
  }
  // The nearest enclosing path that the file names: a missing key has no place of its own.
  std::string place = file + ":1:1";
  std::string at = path;
  while (!at.empty()) {
    if (const auto found = places.find(at); found != places.end()) {
      place = found->second;
      break;
    }
    const auto cut = at.find_last_of(".[");
    at.resize(cut == std::string::npos ? 0 : cut);
  }
  return {error.kind, place + ": " + path + ": " + WithSuggestion(FileWords(sentence), key)};
}

}  // namespace muster::config
