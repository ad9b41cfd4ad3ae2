#pragma once

#include <filesystem>
#include <memory>

#include "tracker/artifact_store.h"

namespace muster::tracker {

/// Artifacts under `root`, made when it is not there:
///
///   objects/ab/cdef...   contents by their SHA-256, written once, never changed
///   tmp/                 what is being written; emptied when the store opens
///   uploads/<id>/        parts of files that are not complete (part_files.h)
///   names.db             path -> SHA-256 and size
///
/// A Put, in order: 1. copy (or move) the bytes to tmp/, hashing; 2. unless that content is in objects/
/// already, fsync them and 3. rename them to it; 4. fsync the folder; 5. commit the name. A crash before 5 leaves an object
/// without a name, which costs space until Collect finds it; a name never points at bytes that are not on the disk.
/// One store a root. kIo, kCorrupt.
Result<std::unique_ptr<ArtifactStore>> OpenLocalArtifactStore(const std::filesystem::path& root);

}  // namespace muster::tracker
