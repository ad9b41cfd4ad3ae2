#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/result.h"

namespace muster::wire {

/// Errors of the codec and of the tuner that are about a place in the input say "at PATH: SENTENCE". The two
/// halves; nullopt when the message has no path.
std::optional<std::pair<std::string, std::string>> SplitPath(std::string_view message);

/// The error with `parent` before its path: "at lr.float[0]: ..." under "space" is "at space.lr.float[0]: ...".
Error Under(std::string_view parent, const Error& error);

}  // namespace muster::wire
