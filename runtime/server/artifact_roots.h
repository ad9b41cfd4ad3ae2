#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/clock.h"
#include "tracker/artifact_store.h"

namespace muster::server {

/// Where a tracker's artifacts are, by its --artifact-root.
struct ArtifactRoots {
  /// Behind the proxy ("mlflow-artifacts:").
  std::unique_ptr<tracker::ArtifactStore> store;
  /// What the artifact_location of a new experiment begins with.
  std::string location = "mlflow-artifacts:";
  /// MlflowOptions::open_root.
  std::function<Result<std::shared_ptr<tracker::ArtifactStore>>(std::string_view)> open_root;
  /// This server's own folder: uploads may be spooled below it.
  std::filesystem::path folder;
};

/// `root` is
///   a folder, or empty for `own`    kept there by content, behind the proxy
///   "s3://bucket/prefix"            kept there, behind the proxy; `variable` reads the environment (S3OptionsFor)
///   "file:///folder"                clients write there themselves; runs in it are listed and read from there
/// `own` is a folder for what this server keeps of its own. `clock` must outlive the store.
Result<ArtifactRoots> OpenArtifactRoots(
    const std::string& root, const std::filesystem::path& own, const Clock& clock,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace muster::server
