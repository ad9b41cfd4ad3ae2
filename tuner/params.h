#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "runtime/base/result.h"

namespace muster::tuner {

/// A parameter's value. Categories keep their own type.
using ParamValue = std::variant<bool, std::int64_t, double, std::string>;
/// Active parameters only: one whose `when` does not hold is absent.
using Params = std::map<std::string, ParamValue>;

boost::json::object ParamsToJson(const Params& params);
Result<Params> ParamsFromJson(const boost::json::object& json);
/// As it stands in a command line: 0.001, 32, true, adamw. Doubles are the shortest text that round-trips.
std::string ParamText(const ParamValue& value);

}  // namespace muster::tuner
