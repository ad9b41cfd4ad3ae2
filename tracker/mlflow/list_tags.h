#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Tags whose value is a JSON list that grows: which models a run logged (before MLflow 3), which versions were
/// made of a logged model.

namespace muster::tracker {

inline constexpr std::string_view kLoggedModelsTag = "mlflow.log-model.history";
inline constexpr std::string_view kModelVersionsTag = "mlflow.modelVersions";

/// The list's text with `element` at its end; `now` is the tag's value, nothing when it is not there. kInvalid
/// when that is no JSON list.
Result<std::string> AppendedToList(const std::optional<std::string>& now,
                                   const boost::json::object& element);
/// As AppendedToList, once only: a list that has the element stays.
Result<std::string> AddedToList(const std::optional<std::string>& now,
                                const boost::json::object& element);

/// What runs/log-model keeps of an MLmodel file as JSON. kInvalid with MLflow's texts.
Result<boost::json::object> ModelForTag(const std::string& model_json);

}  // namespace muster::tracker
