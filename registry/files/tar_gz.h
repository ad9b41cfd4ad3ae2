#pragma once

#include <filesystem>

#include "runtime/base/result.h"

namespace muster::registry {

/// Packs all files below `directory` as a POSIX.1-1988 (ustar) archive in gzip (RFC 1952), by rename, in order of
/// their names, with names relative to the directory. Times are 0, owners root, modes 0644: the same files give the
/// same bytes everywhere. kUnsupported for a name beyond 100 bytes or a file of 8 GiB or more, which ustar cannot
/// hold; kInvalid for what is no file or folder; kIo, kResource.
Status PackTarGz(const std::filesystem::path& directory, const std::filesystem::path& out);

}  // namespace muster::registry
