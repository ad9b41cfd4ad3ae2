#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// Contents on disk by their SHA-256; steps 1 to 4 of the artifact store's Put. Any thread; two may put the
/// same content at once.

namespace muster::tracker {

struct ObjectInfo {
  std::string sha256;
  std::int64_t size = 0;
};

class ObjectFiles {
 public:
  /// Makes the folders, and empties tmp/.
  static Result<ObjectFiles> Open(const std::filesystem::path& root);

  Result<ObjectInfo> AddBytes(std::string_view bytes) const;
  /// Renames when `may_move` and the disk is the same, else copies.
  Result<ObjectInfo> AddFile(const std::filesystem::path& file, bool may_move) const;
  [[nodiscard]] std::filesystem::path PathOf(std::string_view sha256) const;

 private:
  explicit ObjectFiles(std::filesystem::path root) : root_(std::move(root)) {}
  Status Publish(const std::filesystem::path& temporary, const std::string& sha256) const;

  std::filesystem::path root_;
};

}  // namespace muster::tracker
