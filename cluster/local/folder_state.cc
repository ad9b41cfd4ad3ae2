#include "cluster/local/folder_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <system_error>

#include "runtime/base/file.h"
#include "runtime/base/file_digest.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

fs::path Beside(const fs::path& folder, const char* suffix) {
  return folder.parent_path() / (folder.filename().string() + suffix);
}

/// The new folder while it is filled.
class Next {
 public:
  explicit Next(fs::path folder) : folder_(std::move(folder)) {}

  /// A second use of the same file is a copy: what a program does to one of its files is not to change another.
  Status Take(const fs::path& from, const std::string& path) {
    const fs::path to = folder_ / path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (error) return FolderError("make", to.parent_path(), error);
    if (used_.insert(from).second) {
      fs::create_hard_link(from, to, error);
    } else {
      fs::copy_file(from, to, error);
    }
    if (error == std::errc::no_such_file_or_directory)
      return NotFound(path + ": its bytes (" + from.filename().string() + ") are not there");
    return error ? Status(FolderError("put", to, error)) : SyncToDisk(to);
  }

  /// The names of all that was taken.
  [[nodiscard]] Status Sync() const {
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(folder_, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      if (entry->is_directory()) MUSTER_RETURN_IF_ERROR(SyncToDisk(entry->path()));
    }
    return error ? Status(FolderError("list", folder_, error)) : SyncToDisk(folder_);
  }

 private:
  fs::path folder_;
  std::set<fs::path> used_;
};

Status Fill(const fs::path& next, const fs::path& folder, const Transfer& plan,
            const fs::path& objects) {
  std::error_code error;
  fs::remove_all(next, error);
  if (!error) fs::create_directories(next, error);
  if (error) return FolderError("make", next, error);
  Next made(next);
  for (const auto& keep : plan.keep)
    MUSTER_RETURN_IF_ERROR(made.Take(folder / keep.from, keep.path));
  for (const auto& file : plan.place)
    MUSTER_RETURN_IF_ERROR(made.Take(objects / file.sha256, file.path));
  return made.Sync();
}

Status Exchange(const fs::path& next, const fs::path& folder) {
  std::error_code error;
  const auto become = [&](const fs::path& from, const fs::path& to) {
    if (!error) fs::rename(from, to, error);
  };
  if (!fs::exists(folder, error)) {
    become(next, folder);
  } else if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) {
    if (errno != EINVAL && errno != ENOSYS && errno != EXDEV && errno != EOPNOTSUPP)
      return IoError("exchange " + next.string() + " and " + folder.string(), errno);
    become(folder, Beside(folder, ".last"));
    become(next, folder);
  }
  return error ? Status(FolderError("rename to", folder, error)) : SyncToDisk(folder.parent_path());
}

}  // namespace

Error FolderError(const std::string& what, const fs::path& path, const std::error_code& error) {
  Error failed = IoError(what + " " + path.string(), error.value());
  if (error == std::errc::no_space_on_device || error.value() == EDQUOT)
    failed.kind = ErrorKind::kResource;
  return failed;
}

std::optional<DigestCache::Key> DigestCache::KeyOf(const fs::path& file, bool settled) {
  struct stat status{};
  timespec now{};
  if (::stat(file.c_str(), &status) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
    return std::nullopt;
  // Written just now, it may be written again within one tick of the file system's clock.
  if (settled && now.tv_sec - status.st_mtim.tv_sec < 2) return std::nullopt;
  return Key{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
             static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                 static_cast<std::uint64_t>(status.st_mtim.tv_nsec)};
}

Result<std::string> DigestCache::Of(const fs::path& file) {
  const auto before = KeyOf(file, false);
  if (before) {
    const std::lock_guard guard(mutex_);
    if (const auto found = known_.find(*before); found != known_.end()) return found->second;
  }
  MUSTER_ASSIGN_OR_RETURN(std::string sha256, DigestOfFiles(file.string(), ""));
  if (before && KeyOf(file, true) == before) Note(file, sha256);
  return sha256;
}

void DigestCache::Note(const fs::path& file, const std::string& sha256) {
  const auto key = KeyOf(file, false);
  if (!key) return;
  const std::lock_guard guard(mutex_);
  if (known_.size() >= kFilesMost) known_.clear();
  known_[*key] = sha256;
}

Result<FileSet> ReadFileSet(const fs::path& folder, DigestCache* cache) {
  FileSet files;
  std::error_code error;
  if (!fs::exists(folder, error)) return files;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::file_status status = entry->symlink_status();
    if (fs::is_directory(status)) continue;
    if (!fs::is_regular_file(status))
      return Invalid(entry->path().string() + " is neither a file nor a folder");
    MUSTER_ASSIGN_OR_RETURN(std::string sha256, cache == nullptr
                                                    ? DigestOfFiles(entry->path().string(), "")
                                                    : cache->Of(entry->path()));
    files.push_back({.path = entry->path().lexically_relative(folder).generic_string(),
                     .bytes = static_cast<std::int64_t>(entry->file_size()),
                     .sha256 = std::move(sha256)});
  }
  if (error) return FolderError("list", folder, error);
  std::ranges::sort(files, {}, &FileEntry::path);
  return files;
}

Status BecomeFileSet(const fs::path& folder, const FileSet& want, const fs::path& objects,
                     const std::function<Status()>& may, DigestCache* cache) {
  MUSTER_RETURN_IF_ERROR(CheckFileSet(want));
  MUSTER_RETURN_IF_ERROR(Recover(folder));
  MUSTER_RETURN_IF_ERROR(MakeFolders(folder.parent_path()));
  const fs::path next = Beside(folder, ".next");
  MUSTER_ASSIGN_OR_RETURN(const FileSet have, ReadFileSet(folder, cache));
  const Transfer plan = PlanTransfer(have, want);
  Status filled = Fill(next, folder, plan, objects);
  if (filled.ok()) filled = may();
  std::error_code ignored;
  if (!filled.ok()) {
    fs::remove_all(next, ignored);
    return filled;
  }
  MUSTER_RETURN_IF_ERROR(Exchange(next, folder));
  fs::remove_all(next, ignored);
  fs::remove_all(Beside(folder, ".last"), ignored);
  for (const FileEntry& file : plan.fetch) fs::remove(objects / file.sha256, ignored);
  return Ok();
}

Status Recover(const fs::path& folder) {
  const fs::path last = Beside(folder, ".last");
  std::error_code error;
  if (!fs::exists(last, error)) return Ok();
  if (fs::exists(folder, error)) {
    fs::remove_all(last, error);
  } else {
    fs::rename(last, folder, error);
  }
  return error ? Status(FolderError("recover", folder, error)) : SyncToDisk(folder.parent_path());
}

}  // namespace muster::cluster::local
