#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tracker/gc/collect.h"

namespace muster::tracker {

/// The files of one run or logged model, wherever its artifact_uri leads.
class RootFiles {
 public:
  /// kUnsupported and kFenced for a place that is not this server's to change.
  static Result<RootFiles> Open(const GcParts& parts, const std::string& artifact_uri);

  /// Counts them into `files` and `bytes`.
  Status Weigh(std::int64_t& files, std::int64_t& bytes) const;
  Status Remove() const;

 private:
  RootFiles(std::shared_ptr<ArtifactStore> store, std::string path)
      : store_(std::move(store)), path_(std::move(path)) {}

  std::shared_ptr<ArtifactStore> store_;
  std::string path_;  // empty: all that the store holds
};

}  // namespace muster::tracker
