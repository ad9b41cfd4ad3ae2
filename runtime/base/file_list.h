#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Several files named by one text, as data flags take them.

namespace muster {

/// `text` is a list separated by commas; each part is a file, a pattern (`*`, `?`, `[a-z]` in any part of the path)
/// or a folder, which stands for its files that end in `suffix` (".h5"; "" refuses folders). Files of a pattern
/// or folder come in the byte order of their names, whatever the locale; parts stay in their order. A name
/// that exists as it is written is that file, commas and stars included.
/// kNotFound names the part that is not there or matches nothing; kInvalid for an empty part, a folder that is not
/// wanted, and a file that is named twice; kIo.
Result<std::vector<std::filesystem::path>> ListFiles(std::string_view text,
                                                     std::string_view suffix = "");

}  // namespace muster
