#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>

#include "cluster/local/file_set.h"

/// A folder that changes from one list of files to another as a whole. To become `want`:
///   1. <folder>.next is deleted and made anew: links to the files that stay, and of what `objects` holds.
///   2. Every file and folder in it is synced.
///   3. It changes places with the folder (renameat2, RENAME_EXCHANGE), and the folder above is synced. Where a file
///      system cannot exchange: the folder becomes <folder>.last, .next becomes the folder.
///   4. <folder>.next, which is the old one now, and .last are deleted, and from `objects` what was taken.
/// Killed at any moment, or after a power loss, the folder holds what it held or `want`, after Recover; the next call
/// deletes what is left over.

namespace muster::cluster::local {

/// "<what> <path>: <why>"; kResource where a disk or a quota is full, else kIo.
Error FolderError(const std::string& what, const std::filesystem::path& path,
                  const std::error_code& error);

/// SHA-256 of files, kept for as long as inode, size and time of writing are the same. Any thread.
class DigestCache {
 public:
  static constexpr std::size_t kFilesMost = 200'000;  ///< then it begins anew
  /// The errors of DigestOfFiles.
  Result<std::string> Of(const std::filesystem::path& file);
  /// What was taken while its bytes came in; nobody has written to it since.
  void Note(const std::filesystem::path& file, const std::string& sha256);

 private:
  using Key = std::array<std::uint64_t, 4>;
  static std::optional<Key> KeyOf(const std::filesystem::path& file, bool settled);

  std::mutex mutex_;  // guards known_
  std::map<Key, std::string> known_;
};

/// The files of the folder; none where it is not there. Every byte is read: about a second a gigabyte. kInvalid for
/// what cannot travel (a link, a socket), kIo. With a cache, those bytes that it does not know.
Result<FileSet> ReadFileSet(const std::filesystem::path& folder, DigestCache* cache = nullptr);

/// `objects` holds files under their SHA-256, which whoever put them there has compared. It and the folder are on one
/// file system, and nobody writes in either meanwhile. Folders without files are not kept. kNotFound names bytes that are nowhere, and the folder is as it was; kInvalid
/// as CheckFileSet; kResource, kIo. `may` is asked right before step 3, after which nothing goes back: its error is the
/// answer, and the folder is as it was.
Status BecomeFileSet(
    const std::filesystem::path& folder, const FileSet& want, const std::filesystem::path& objects,
    const std::function<Status()>& may = [] { return Ok(); }, DigestCache* cache = nullptr);

/// After a kill between the two renames of step 3, the folder is in <folder>.last. To be called before it is read.
Status Recover(const std::filesystem::path& folder);

}  // namespace muster::cluster::local
