#pragma once

#include "registry/promoter.h"
#include "tracker/artifact_store.h"
#include "tracker/run_store.h"

namespace muster::server {

/// The artifacts of a run, for the registry: what it puts there, MLflow's client finds.
class RunArtifacts final : public registry::ArtifactSink {
 public:
  /// Both must outlive it.
  RunArtifacts(tracker::RunStore& runs, tracker::ArtifactStore& artifacts)
      : runs_(runs), artifacts_(artifacts) {}

  Status Put(const std::string& run_id, const std::string& path,
             const std::filesystem::path& file) override;
  Result<std::string> Source(const std::string& run_id, const std::string& path) override;

 private:
  tracker::RunStore& runs_;
  tracker::ArtifactStore& artifacts_;
};

}  // namespace muster::server
