#include "runtime/server/artifact_roots.h"

#include <utility>
#include <vector>

#include "tracker/files/folder_store.h"
#include "tracker/s3/artifact_store.h"
#include "tracker/sqlite/artifact_store.h"

namespace muster::server {

Result<ArtifactRoots> OpenArtifactRoots(
    const std::string& root, const std::filesystem::path& own, const Clock& clock,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  ArtifactRoots roots;
  roots.folder = own;
  std::vector<std::filesystem::path> local;
  if (root.starts_with("s3://")) {
    MUSTER_ASSIGN_OR_RETURN(auto options, tracker::S3OptionsFor(root, own / "scratch", variable));
    MUSTER_ASSIGN_OR_RETURN(roots.store, tracker::OpenS3ArtifactStore(std::move(options), clock));
  } else {
    const auto folder = tracker::LocalFolderOf(root);
    if (!folder) {
      return Invalid("the artifact root '" + root +
                     "' is neither a folder nor begins with s3:// or file:");
    }
    if (root.starts_with("file:")) {
      roots.location = root;
      local.emplace_back(*folder);
    } else if (!folder->empty()) {
      roots.folder = *folder;
    }
    MUSTER_ASSIGN_OR_RETURN(roots.store, tracker::OpenLocalArtifactStore(roots.folder));
  }
  roots.open_root = [local = std::move(local)](std::string_view uri) {
    return tracker::OpenLocalRoot(uri, local);
  };
  return roots;
}

}  // namespace muster::server
