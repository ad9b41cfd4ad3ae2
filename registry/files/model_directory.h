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
///   3. Once signed, the workspace's package directory is renamed to <root>/<model>/<N>; a reader, Triton's poll too,
///      sees all of a version or nothing. Then <root>/<model> is flushed.
///
/// One thread at a time a request; different requests do not meet.
class ModelDirectory final : public ModelFiles {
 public:
  /// The model.onnx of a version that was not published here (registered by another client).
  using Fetch = std::function<Result<std::filesystem::path>(const ModelVersion& version)>;

  struct Places {
    std::filesystem::path root, work;  ///< on one filesystem; both are made when missing
    std::filesystem::path key;         ///< ModelKey's, made when the first version is signed
  };
  explicit ModelDirectory(Places places, Fetch fetch = {})
      : places_(std::move(places)), fetch_(std::move(fetch)) {}

  Result<std::filesystem::path> Workspace(const std::string& request_id) override;
  void Discard(const std::string& request_id) override;
  Result<ExportBundle> ReadBundle(const std::filesystem::path& directory) override;
  Status Write(const std::filesystem::path& directory,
               const std::vector<PackageFile>& files) override;
  Status Sign(const std::filesystem::path& directory, const std::string& model) override;
  Status Publish(const std::filesystem::path& directory, const std::string& model,
                 std::int64_t version, const std::string& config_pbtxt) override;
  Result<std::filesystem::path> OnnxFile(const ModelVersion& version) override;

  /// Where a version is, or would be.
  [[nodiscard]] std::filesystem::path VersionDirectory(const std::string& model,
                                                       std::int64_t version) const;

 private:
  [[nodiscard]] std::filesystem::path WorkspacePath(const std::string& request_id) const;

  Places places_;
  Fetch fetch_;
};

}  // namespace muster::registry
