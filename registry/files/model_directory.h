#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "registry/promoter.h"

namespace muster::registry {

/// Published versions and the workspaces of candidates, as directories:
///
///   1. A candidate's files are written to its workspace, each flushed.
///   2. config.pbtxt is replaced by an atomic rename.
///   3. The workspace's package directory is renamed to <root>/<model>/<N>; a reader, Triton's poll too,
///      sees all of a version or nothing. Then <root>/<model> is flushed.
///
/// One thread at a time a request; different requests do not meet.
class ModelDirectory final : public ModelFiles {
 public:
  /// The model.onnx of a version that was not published here (registered by another client).
  using Fetch = std::function<Result<std::filesystem::path>(const ModelVersion& version)>;

  /// `root` and `work` must be on one filesystem; both are made when missing.
  ModelDirectory(std::filesystem::path root, std::filesystem::path work, Fetch fetch = {})
      : root_(std::move(root)), work_(std::move(work)), fetch_(std::move(fetch)) {}

  Result<std::filesystem::path> Workspace(const std::string& request_id) override;
  void Discard(const std::string& request_id) override;
  Result<ExportBundle> ReadBundle(const std::filesystem::path& directory) override;
  Status Write(const std::filesystem::path& directory,
               const std::vector<PackageFile>& files) override;
  Status Publish(const std::filesystem::path& directory, const std::string& model,
                 std::int64_t version, const std::string& config_pbtxt) override;
  Result<std::filesystem::path> OnnxFile(const ModelVersion& version) override;

  /// Where a version is, or would be.
  [[nodiscard]] std::filesystem::path VersionDirectory(const std::string& model,
                                                       std::int64_t version) const;

 private:
  [[nodiscard]] std::filesystem::path WorkspacePath(const std::string& request_id) const;

  std::filesystem::path root_, work_;
  Fetch fetch_;
};

}  // namespace muster::registry
