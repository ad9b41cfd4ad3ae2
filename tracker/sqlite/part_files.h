#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "tracker/artifact_store.h"
#include "tracker/sqlite/object_files.h"

/// Uploads that come in parts, on disk until they are complete:
///
///   uploads/<id>/target            "<number of parts>\n<path>"
///   uploads/<id>/<number>-<etag>   a part; its ETag is "<SHA-256>-<size>"
///
/// A part is not synced: the complete file is. After a power loss a part may be shorter than its ETag says, and
/// then the upload cannot be completed. Any thread; parts of one upload may come at once.

namespace muster::tracker {

class PartFiles {
 public:
  static Result<PartFiles> Open(const std::filesystem::path& root);

  /// Answers the id: 32 hexadecimal digits that nobody can guess.
  Result<std::string> Begin(std::string_view path, std::int64_t parts) const;
  /// Answers the ETag, without quotes. kNotFound: no such upload.
  Result<std::string> Put(std::string_view upload, std::int64_t number,
                          const StagedObject& part) const;
  /// The files of all parts in order. kInvalid unless `parts` are those that Begin announced for `path`.
  Result<std::vector<std::filesystem::path>> FilesOf(std::string_view path, std::string_view upload,
                                                     std::vector<ArtifactPart> parts) const;
  /// Forgets an upload, if it is there and `path` is its own.
  Status Remove(std::string_view path, std::string_view upload) const;
  /// Removes uploads without a new part since `before`; answers how many.
  Result<std::int64_t> RemoveOlder(std::filesystem::file_time_type before) const;

 private:
  explicit PartFiles(std::filesystem::path root) : root_(std::move(root)) {}
  struct Target {
    std::filesystem::path folder;
    std::int64_t parts = 0;
    std::string path;
  };
  [[nodiscard]] Result<Target> Find(std::string_view upload) const;

  std::filesystem::path root_;
};

}  // namespace muster::tracker
