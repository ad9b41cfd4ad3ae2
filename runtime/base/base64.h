#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Base64 with padding, without line breaks (RFC 4648, 4).

namespace muster {

std::string EncodeBase64(std::string_view bytes);
/// kInvalid names the first character that does not belong, or a wrong length.
Result<std::string> DecodeBase64(std::string_view text);

}  // namespace muster
