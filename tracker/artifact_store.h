#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Files of runs and models, by content: each distinct content is stored once under its SHA-256, and a
/// path is a name for a content. Paths are relative, '/'-separated, checked by CheckArtifactPath. Layout of
/// paths as MLflow's client expects: "<experiment>/<run>/artifacts/<file>",
/// "<experiment>/models/<model>/artifacts/<file>". Adapter: tracker/sqlite.
/// Any thread. A Put is durable (file and directory synced) when it returns.

namespace muster::tracker {

struct ArtifactInfo {
  std::string path;  ///< relative to what was listed
  bool is_dir = false;
  std::int64_t size = 0;
  std::string sha256;  ///< empty for a folder
};

class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;
  /// Moves (same disk) or copies the file in; replaces what the path named. Answers the SHA-256.
  /// kInvalid when the path, or a part of it, is a folder respectively a file.
  virtual Result<std::string> PutFile(std::string_view path, const std::filesystem::path& file,
                                      bool may_move) = 0;
  virtual Result<std::string> PutBytes(std::string_view path, std::string_view bytes) = 0;
  /// A readable file with that content; do not change it. kNotFound; kInvalid for a folder.
  virtual Result<std::filesystem::path> Get(std::string_view path) = 0;
  /// Direct children, sorted by path; empty for a file or a missing path. "" lists the root.
  virtual Result<std::vector<ArtifactInfo>> List(std::string_view folder) = 0;
  /// A file or a whole folder; deleting nothing succeeds.
  virtual Status Delete(std::string_view path) = 0;
};

/// kInvalid "Invalid path: ..." unless the path, percent-decoded until nothing changes, is relative and
/// without "..", ".", empty parts, backslashes, '#' and control characters (MLflow's
/// validate_path_is_safe, and somewhat stricter). One '/' at the end is allowed; empty is kInvalid.
Status CheckArtifactPath(std::string_view path);

/// The path in this server's store of `path` below an artifact_uri of a run or a logged model:
/// ("mlflow-artifacts:/0/r/artifacts", "a.txt") is "0/r/artifacts/a.txt". kUnsupported for a uri of another
/// scheme, which this store does not hold.
Result<std::string> ArtifactStorePath(std::string_view artifact_uri, std::string_view path = "");

}  // namespace muster::tracker
