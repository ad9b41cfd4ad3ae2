#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tuner/history.h"

/// Reading of requests, for the ask_tell*.cc files; an error names the field.

namespace muster::tuner {

/// A value of an objective: a number, or one of "nan", "inf", "-inf", which JSON has no numbers for.
boost::json::value JsonOf(double number);
/// A list of such values under `key`; empty when missing.
Result<std::vector<double>> Values(const boost::json::object& json, const char* key);
/// `value`, or `values` with one an objective.
Result<std::vector<double>> Objectives(const boost::json::object& request);
Result<std::vector<std::string>> Texts(const boost::json::object& json, const char* key);
Result<std::string> TextAt(const boost::json::object& json, const char* key, std::string otherwise);
Result<boost::json::object> ObjectAt(const boost::json::object& json, const char* key);
Result<std::int64_t> TrialOf(const boost::json::object& request);
Result<std::vector<Goal>> Goals(const boost::json::object& request);
Result<Outcome> OutcomeOf(const boost::json::object& request);
/// Refuses other fields than op, id, study and these.
Status CheckFields(const boost::json::object& request,
                   std::initializer_list<std::string_view> fields);

}  // namespace muster::tuner
