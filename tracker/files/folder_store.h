#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "tracker/artifact_store.h"

namespace muster::tracker {

/// Artifacts as plain files below `root`, which may be missing until the first Put: a "file:" or plain-path
/// root, where MLflow's client writes beside the server. Nothing that a symbolic link makes of a path may lie
/// outside `root` (kInvalid, MLflow's text). A Put is written to ".artifact.uploading.<random>", synced and renamed; such
/// names are not listed. Holds no resource.
std::unique_ptr<ArtifactStore> OpenFolderArtifactStore(std::filesystem::path root);

/// The store of an artifact_uri of a run that lies in one of `allowed` or below it (both with their symbolic
/// links followed); kFenced for another folder, kUnsupported for a uri that is no local one.
Result<std::shared_ptr<ArtifactStore>> OpenLocalRoot(
    std::string_view artifact_uri, const std::vector<std::filesystem::path>& allowed);

}  // namespace muster::tracker
