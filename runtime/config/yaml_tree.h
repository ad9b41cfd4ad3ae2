#pragma once

#include <yaml-cpp/yaml.h>

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// YAML as JSON, with the place of every path, so that an error about a path leads to its line. Private to this folder.

namespace muster::config {

/// path ("model.gates[1].metric") -> "file:line:column" of its key
using Places = std::map<std::string, std::string>;

/// "file:line:column", from 1.
std::string PlaceOf(std::string_view file, const YAML::Mark& mark);

class YamlTree {
 public:
  /// `places` must outlive it. `is_text` says of which paths the scalars are text as it stands (3.10 is not the number
  /// 3.1).
  YamlTree(std::string_view file, Places& places, bool (*is_text)(std::string_view path))
      : file_(file), places_(places), is_text_(is_text) {}

  /// kInvalid with the place of what is no YAML.
  Result<YAML::Node> Load(std::string_view text) const;
  /// The node that stands at `path`; "" is the root. kInvalid for a key that comes twice, too many lists and maps within
  /// each other, or too many values in all.
  Result<boost::json::value> Convert(const YAML::Node& node, const std::string& path,
                                     int depth = 0);

 private:
  std::string file_;
  std::size_t values_ = 0;  ///< that were converted
  Places& places_;
  bool (*is_text_)(std::string_view path);
};

/// An error "at PATH: SENTENCE" as one of the file: "file:line:column: PATH: SENTENCE", with a word that may have been
/// meant. The place is that of the nearest enclosing path, since a missing key has none.
Error ExplainPlace(const Error& error, const std::string& file, const Places& places);

}  // namespace muster::config
