#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Small files, whole. Safe from any thread; two writers of one path must not meet.

namespace muster {

/// Replaces `path` so that a reader, and whoever comes after a power loss, sees the old bytes or the new
/// ones: temporary file beside it, fsync, rename, fsync of the folder. `mode` is the file's permission
/// bits. kResource when the disk is full, else kIo.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes,
                           unsigned mode = 0644);

/// The same without the two syncs: whole for every reader, whoever is killed, but after a power loss it may be
/// empty. For what means nothing once the machine has stopped.
Status ReplaceFile(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0644);

/// Writes over what is there, without a new inode. Not whole for a reader of the same time, nor after a crash: for a
/// file that nobody knows of yet.
Status OverwriteFile(const std::filesystem::path& path, std::string_view bytes,
                     unsigned mode = 0644);

/// Makes a folder and what is missing above it; their names survive a power loss. kInvalid where something above it
/// is no folder; kResource when the disk is full, else kIo.
Status MakeFolders(const std::filesystem::path& path);

/// fsync of a file or a folder: what was written to it, or the names in it, survive a power loss. Where the file system
/// knows no fsync of it (EINVAL, ENOSYS, EOPNOTSUPP), or this user may not open it (a folder of mode 0711), it is as
/// durable as it gets, and this is Ok.
/// kNotFound, kIo; kResource when the disk is full.
Status SyncToDisk(const std::filesystem::path& path);

/// kNotFound, kIo; kResource beyond `bytes_max`.
Result<std::string> ReadWholeFile(const std::filesystem::path& path,
                                  std::size_t bytes_max = std::size_t{64} << 20);

}  // namespace muster
