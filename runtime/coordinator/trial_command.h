#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/coordinator/state.h"

namespace muster::coordinator {

/// The command of a trial with its placeholders filled: "{lr}" is parameter lr, "{seed}", "{trial}" and
/// "{data.train}" what they say. An inactive parameter is empty text. "{{" and "}}" stand for braces, and
/// what is no name in braces ("${HOME}", "{ ...") stays as it is.
std::vector<std::string> TrialCommand(const Sweep& sweep, const Trial& trial);

/// kInvalid for a placeholder that names nothing: "at trial.command[2]: ...".
Status ValidatePlaceholders(const wire::SweepSpec& spec);

/// A fixed parameter as text: as in the command, so in the run's params.
std::string ScalarText(const boost::json::value& value);

/// The MUSTER_PARAMS file (README of this folder).
std::string ParamsJson(const Sweep& sweep, const Trial& trial);

}  // namespace muster::coordinator
