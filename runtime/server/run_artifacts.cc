#include "runtime/server/run_artifacts.h"

namespace muster::server {

Result<std::string> RunArtifacts::Source(const std::string& run_id, const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const auto run, runs_.GetRun(RunId(run_id)));
  return run.info.artifact_uri + "/" + path;
}

Status RunArtifacts::Put(const std::string& run_id, const std::string& path,
                         const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const auto uri, Source(run_id, path));
  MUSTER_ASSIGN_OR_RETURN(const auto name, tracker::ArtifactStorePath(uri));
  return artifacts_.Put(name, {.file = file});
}

}  // namespace muster::server
