#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// What proto3's JSON allows (https://protobuf.dev/programming-guides/json), as MLflow's server reads it.

namespace muster::tracker {

/// Also "1.5", "NaN", "Infinity" and "-Infinity", and true as 1; nothing for what is no number.
std::optional<double> AsDouble(const boost::json::value& value);
/// Also "12" and 12.0; nothing for what is no whole number of 64 bits.
std::optional<std::int64_t> AsInt(const boost::json::value& value);

/// "runId" of "run_id".
std::string CamelCase(std::string_view name);
/// kInvalid when an object, however deep, has a field in both spellings: which one holds would be left open.
Status CheckSpelledOnce(const boost::json::object& object);

}  // namespace muster::tracker
