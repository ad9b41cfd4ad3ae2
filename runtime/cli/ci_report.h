#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "runtime/cli/context.h"

/// What became of a retraining, for a CI job. Pure.

namespace muster::cli {

struct CiVerdict {
  Exit exit = kDone;
  std::string word;      ///< "promoted", "canary", "gated", "waiting", "skipped", "failed", ...
  std::string sentence;  ///< which gate, which guard, or why
};
/// Of a firing with its story, as GET firings/{sweep} answers; one that is not decided stands where it stands.
CiVerdict VerdictOf(const boost::json::object& firing);

/// JUnit's XML as GitHub, GitLab and Jenkins read it: a test case a gate, and one for the sweep, for approvals, for the
/// guards.
std::string JUnitReport(const boost::json::object& firing);
/// A table of the gates and the story.
std::string MarkdownReport(const boost::json::object& firing);

}  // namespace muster::cli
