#include "tracker/gc/root_files.h"

namespace muster::tracker {

namespace {

std::string Below(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

}  // namespace

Result<RootFiles> RootFiles::Open(const GcParts& parts, const std::string& artifact_uri) {
  const auto path = ArtifactStorePath(artifact_uri);
  if (path.ok()) {
    MUSTER_ASSIGN_OR_RETURN(std::string safe, SafeArtifactPath(*path));
    // Never all that the server has.
    if (safe.empty()) return Unsupported("'" + artifact_uri + "' is the root of all artifacts");
    return RootFiles({std::shared_ptr<void>(), &parts.artifacts}, std::move(safe));
  }
  if (!parts.open_root) return path.error();
  MUSTER_ASSIGN_OR_RETURN(auto store, parts.open_root(artifact_uri));
  return RootFiles(std::move(store), "");
}

Status RootFiles::Weigh(std::int64_t& files, std::int64_t& bytes) const {
  std::vector<std::string> folders{path_};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    MUSTER_ASSIGN_OR_RETURN(const auto list, store_->List(folder));
    for (const ArtifactInfo& info : list) {
      if (info.is_dir) {
        folders.push_back(Below(folder, info.path));
        continue;
      }
      ++files;
      bytes += info.size;
    }
  }
  return Ok();
}

Status RootFiles::Remove() const {
  if (!path_.empty()) return store_->Delete(path_);
  MUSTER_ASSIGN_OR_RETURN(const auto list, store_->List(""));
  for (const ArtifactInfo& info : list) MUSTER_RETURN_IF_ERROR(store_->Delete(info.path));
  return Ok();
}

}  // namespace muster::tracker
