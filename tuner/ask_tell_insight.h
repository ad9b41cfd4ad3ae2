#pragma once

#include <boost/json/object.hpp>

#include "runtime/base/result.h"
#include "tuner/study.h"

/// The verbs of ask_tell.h that look back; README.md has their fields. None changes the study.

namespace muster::tuner {

Result<boost::json::object> AnswerImportance(Study& study, const boost::json::object& request);
Result<boost::json::object> AnswerDependence(Study& study, const boost::json::object& request);
Result<boost::json::object> AnswerBest(Study& study, const boost::json::object& request);
Result<boost::json::object> AnswerFront(Study& study, const boost::json::object& request);

}  // namespace muster::tuner
