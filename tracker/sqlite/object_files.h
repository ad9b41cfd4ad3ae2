#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/artifact_store.h"

/// Contents on disk by their SHA-256; steps 1 to 4 of the artifact store's Put. Any thread; two may put the
/// same content at once.

namespace muster::tracker {

/// A content in tmp/ that is not yet kept; removed with this unless Publish took it.
class StagedObject {
 public:
  explicit StagedObject(std::filesystem::path file) : file_(std::move(file)) {}
  StagedObject(StagedObject&& other) noexcept;
  StagedObject& operator=(StagedObject&&) = delete;
  ~StagedObject();

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  std::string sha256;
  std::int64_t size = 0;

 private:
  std::filesystem::path file_;
};

class ObjectFiles {
 public:
  /// Makes the folders, and empties tmp/.
  static Result<ObjectFiles> Open(const std::filesystem::path& root);

  /// Renames a file when it may and the disk is the same, else copies.
  Result<StagedObject> Stage(const NewArtifact& artifact) const;
  /// The files one after the other.
  Result<StagedObject> StageJoined(const std::vector<std::filesystem::path>& files) const;
  /// Keeps the content, durably.
  Status Publish(const StagedObject& object) const;

  [[nodiscard]] std::filesystem::path PathOf(std::string_view sha256) const;
  /// Calls `visit` with the SHA-256 and the size of each content written before `before`.
  Status VisitOlder(std::filesystem::file_time_type before,
                    const std::function<Status(const std::string&, std::int64_t)>& visit) const;

 private:
  explicit ObjectFiles(std::filesystem::path root) : root_(std::move(root)) {}
  [[nodiscard]] StagedObject NewStaged() const;

  std::filesystem::path root_;
};

}  // namespace muster::tracker
