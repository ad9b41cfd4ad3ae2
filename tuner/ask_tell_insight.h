#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tuner/sampler.h"

namespace muster::tuner {

/// A search that one looks back on: of a study, or of a sweep.
struct Searched {
  const SearchSpec& spec;
  const History& history;
  std::vector<std::string> metrics;  ///< the objectives' names, "" for one without
  /// When each trial ended last, in seconds since the search began, by number; empty where there is no clock.
  std::vector<double> seconds;
};

/// "importance", "dependence", "best", "front" and "export", the verbs of ask_tell.h that look back; README.md has the fields of
/// `request`. kNotFound when there is nothing to show yet.
Result<boost::json::object> LookBack(const Searched& search, std::string_view verb,
                                     const boost::json::object& request);

}  // namespace muster::tuner
