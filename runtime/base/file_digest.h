#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Which files data flags name, by what is in them, and by what tells soon whether they are others. `text` and `suffix`
/// are ListFiles'.

namespace muster {

struct FilesStamp {
  std::string stamp;  ///< SHA-256 in hex of their names, sizes and times
  std::uintmax_t bytes = 0;
};
/// kIo, and the errors of ListFiles.
Result<FilesStamp> StampOfFiles(std::string_view text, std::string_view suffix);

/// SHA-256 in hex: of the file, or of the lines that `sha256sum` prints for several. About a second a gigabyte.
/// kIo, and the errors of ListFiles.
Result<std::string> DigestOfFiles(std::string_view text, std::string_view suffix);

}  // namespace muster
