#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

/// JSON values as MLflow's messages show them.

namespace muster::tracker {

/// json.dumps(value, sort_keys=True, separators=(",", ":")): ASCII, keys in order.
std::string PythonJson(const boost::json::value& value);
/// repr of the same: {'a': None, 'b': [True, 1.5]}, members as they came.
std::string PythonRepr(const boost::json::value& value);
/// json.dumps(value): ASCII, keys as they come, a space after "," and ":".
std::string PythonDumps(const boost::json::value& value);
/// What Python calls the type: "str", "int", "NoneType".
std::string_view PythonType(const boost::json::value& value);

}  // namespace muster::tracker
