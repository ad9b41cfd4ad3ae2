#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace muster::wire {

/// Errors of the codec and of the tuner that are about a place in the input say "at PATH: SENTENCE". The two
/// halves; nullopt when the message has no path.
std::optional<std::pair<std::string, std::string>> SplitPath(std::string_view message);

}  // namespace muster::wire
