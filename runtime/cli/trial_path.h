#pragma once

#include <string>

#include "runtime/base/result.h"

namespace muster::cli {

/// "digits-1/3" -> "/api/muster/v1/sweeps/digits-1/trials/3"; kInvalid for anything else.
Result<std::string> TrialPath(const std::string& id);

}  // namespace muster::cli
