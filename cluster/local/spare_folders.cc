#include "cluster/local/spare_folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSparesMost = 64;
constexpr std::string_view kPrefix = "spare.";
constexpr mode_t kWorkMode = 0755;

/// Nobody has it open for writing: the kernel gives no read lease on a file that somebody writes (fcntl(2)).
bool HasNoWriter(int fd) {
  // Should somebody open it just now, the signal that says so must not end this process.
  const bool none = fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
  if (none) fcntl(fd, F_SETLEASE, F_UNLCK);
  return none;
}

/// Empties a file that is the attempt's alone; false when it may be somebody else's as well.
bool Empty(const fs::path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat found{};
  const bool alone = fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1 &&
                     found.st_uid == geteuid() && HasNoWriter(fd);
  close(fd);
  return alone && (found.st_size == 0 || truncate(file.c_str(), 0) == 0);
}

bool IsEmptyWork(const fs::path& folder) {
  struct stat found{};
  std::error_code error;
  return lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) &&
         (found.st_mode & 0777) == kWorkMode && fs::is_empty(folder, error) && !error;
}

bool IsOutput(std::string_view name) {
  return name.starts_with("rank") && (name.ends_with(".out") || name.ends_with(".err"));
}

/// Leaves what the next attempt can use.
std::error_code Clean(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& entry = it->path();
    const std::string name = entry.filename().string();
    const bool file = name == "prepare.json" || name == "records.jsonl" || IsOutput(name);
    const bool useful = file ? Empty(entry) : name == "work" && IsEmptyWork(entry);
    if (!useful) fs::remove_all(entry, error);
    if (error) break;
  }
  return error;
}

}  // namespace

bool SpareFolders::IsSpare(const fs::path& folder) {
  return folder.filename().string().starts_with(kPrefix);
}

fs::path SpareFolders::NewName() {
  return parent_ / (std::string(kPrefix) + std::to_string(++named_));
}

Status SpareFolders::Make(const AttemptFolder& folder, const wire::Prepare& prepare) {
  if (spares_.empty()) {
    fs::path made = NewName();
    if (mkdir(made.c_str(), 0700) != 0) return IoError("make " + made.string(), errno);
    spares_.push_back(std::move(made));
  }
  const fs::path spare = std::move(spares_.back());
  spares_.pop_back();
  Status status = AttemptFolder(spare, "").WritePrepare(prepare);
  if (status.ok() && rename(spare.c_str(), folder.path().c_str()) != 0)
    status = IoError("rename " + spare.string() + " to " + folder.path().string(), errno);
  std::error_code ignored;
  if (!status.ok()) fs::remove_all(spare, ignored);
  return status;
}

Status SpareFolders::Take(const AttemptFolder& folder) {
  fs::path spare = NewName();
  if (rename(folder.path().c_str(), spare.c_str()) != 0) {
    if (errno == ENOENT) return Ok();
    return IoError("rename " + folder.path().string() + " to " + spare.string(), errno);
  }
  std::error_code error;
  if (spares_.size() < kSparesMost && !Clean(spare)) {
    spares_.push_back(std::move(spare));
    return Ok();
  }
  fs::remove_all(spare, error);
  return error ? Status(IoError("delete " + spare.string(), error.value())) : Ok();
}

void SpareFolders::Delete() {
  std::error_code ignored;
  for (const fs::path& spare : std::exchange(spares_, {})) fs::remove_all(spare, ignored);
}

}  // namespace muster::cluster::local
