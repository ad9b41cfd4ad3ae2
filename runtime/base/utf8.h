#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text from outside is bytes; JSON, SQL and terminals want UTF-8 (RFC 3629). Pure.

namespace muster {

/// How many bytes the character at the start of `text`, which is not empty, has; 0: it is none. Overlong forms,
/// surrogates and what is beyond U+10FFFF are none.
std::size_t CharacterSize(std::string_view text);

/// The text with U+FFFD for every byte that belongs to no character.
std::string ToUtf8(std::string text);

}  // namespace muster
