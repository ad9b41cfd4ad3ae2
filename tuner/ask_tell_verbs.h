#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "tuner/study.h"

/// What a study answers to each verb of ask_tell.h; README.md lists them with their fields.

namespace muster::tuner {

/// The verb "create".
Result<Study> CreateStudy(const boost::json::object& request);
/// Any other but "drop"; kInvalid for one that there is not.
Result<boost::json::object> AnswerVerb(Study& study, std::string_view verb,
                                       const boost::json::object& request);
[[nodiscard]] bool IsVerb(std::string_view verb);
/// "ask, report, ...", for messages.
std::string VerbNames();

}  // namespace muster::tuner
