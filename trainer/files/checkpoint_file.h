#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "trainer/checkpoint.h"

/// One checkpoint as a safetensors file. A tensor's bytes go from where they are to the file, and back, without a
/// copy between; the hash is taken on the way, while they are in the cache.

namespace muster::trainer::files {

/// What a file was when it was saved.
struct FileDigest {
  std::int64_t bytes = 0;
  std::string sha256;  ///< hex
};

/// By temporary file, fsync, rename, fsync of the folder; room for all of it is asked for first. On an error `path` is
/// as it was and no temporary file is left: kResource when the disk is full or a quota or limit reached, kIo,
/// kInvalid.
Result<FileDigest> WriteCheckpointFile(const std::filesystem::path& path,
                                       const CheckpointView& checkpoint);

/// kCorrupt, kNotFound, kIo. `wanted` null: as long as it reads as a checkpoint, it is taken for one.
Result<Checkpoint> ReadCheckpointFile(const std::filesystem::path& path, const FileDigest* wanted);

/// Whether the file is what was saved, without keeping it. kCorrupt, kNotFound, kIo.
Status VerifyCheckpointFile(const std::filesystem::path& path, const FileDigest& wanted);

}  // namespace muster::trainer::files
