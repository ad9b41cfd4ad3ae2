#pragma once

#include <filesystem>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "runtime/base/result.h"

/// Folders of attempts that ended, kept for those to come: a new attempt takes over the folder, its prepare.json and
/// the empty files of its ranks' output instead of making and deleting inodes, which some file systems make dear
/// (ext4 without a journal passes over what was deleted in the last minutes, one by one).

namespace muster::cluster::local {

class SpareFolders {
 public:
  /// Beside the attempts' folders, in `parent`.
  explicit SpareFolders(std::filesystem::path parent) : parent_(std::move(parent)) {}

  /// Is this the name of a spare one? Those of an earlier agent are to be deleted.
  static bool IsSpare(const std::filesystem::path& folder);

  /// Makes folder.path(). It comes to be with its prepare.json in it, or not at all.
  Status Make(const AttemptFolder& folder, const wire::Prepare& prepare);

  /// Takes folder.path() away; nothing of the attempt may be running. What anybody else may still use (a file that
  /// has another name, or that is open for writing) is deleted, not used again.
  Status Take(const AttemptFolder& folder);
  /// Deletes the spare ones.
  void Delete();

 private:
  [[nodiscard]] std::filesystem::path NewName();

  std::filesystem::path parent_;
  std::vector<std::filesystem::path> spares_;
  std::int64_t named_ = 0;
};

}  // namespace muster::cluster::local
