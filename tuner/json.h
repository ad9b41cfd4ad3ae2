#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "tuner/params.h"

/// Reading of small configuration objects, for the .cc files of this folder; `where` is the path that
/// errors name.

namespace muster::tuner {

inline constexpr std::int64_t kIntegerMax = std::int64_t{1} << 53;

/// The value as JSON text, for messages.
std::string Text(const boost::json::value& json);
/// A finite number.
Result<double> Number(const boost::json::value& json, const std::string& where);
/// One of magnitude up to kIntegerMax: exact as a double too, and sums and differences of two do not
/// overflow.
Result<std::int64_t> Integer(const boost::json::value& json, const std::string& where);
Result<ParamValue> Scalar(const boost::json::value& json, const std::string& where);
/// An optional true or false; false when missing.
Result<bool> Flag(const boost::json::object& json, std::string_view key, const std::string& where);
/// An optional integer of at least `low`.
Result<std::int64_t> IntegerOr(const boost::json::object& json, std::string_view key,
                               std::int64_t low, std::int64_t otherwise, const std::string& where);
Status OnlyKeys(const boost::json::object& json, std::initializer_list<std::string_view> keys,
                const std::string& where);

}  // namespace muster::tuner
