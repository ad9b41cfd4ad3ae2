#include "tests/support/sync_calls.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

namespace muster::test {
namespace {

using Inode = std::pair<dev_t, ino_t>;

std::mutex mutex;  // guards all below
bool watching = false;
int folder_error = 0;
int calls = 0, die_at = 0;
std::set<Inode> synced;  ///< files
/// Folders: what was in them at their last sync.
std::map<Inode, std::map<std::string, Inode>> listed;

std::optional<Inode> InodeOf(const std::filesystem::path& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return Inode(status.st_dev, status.st_ino);
}

}  // namespace

SyncCalls::SyncCalls() {
  const std::lock_guard guard(mutex);
  watching = true;
  folder_error = calls = die_at = 0;
  synced.clear();
  listed.clear();
}

SyncCalls::~SyncCalls() {
  const std::lock_guard guard(mutex);
  watching = false;
}

void SyncCalls::FailOnFolders(int error_number) {
  const std::lock_guard guard(mutex);
  folder_error = error_number;
}

void SyncCalls::DieAt(int call) {
  const std::lock_guard guard(mutex);
  die_at = call;
}

std::vector<std::string> SyncCalls::Undurable(const std::filesystem::path& root) {
  const std::lock_guard guard(mutex);
  std::vector<std::string> wrong;
  const auto look = [&](const std::filesystem::path& path) {
    const bool file = std::filesystem::is_regular_file(path);
    if (file && std::filesystem::file_size(path) == 0) return;
    const auto own = InodeOf(path);
    if (file && !synced.contains(*own)) wrong.push_back(path.string() + " was not synced");
    const auto& names = listed[*InodeOf(path.parent_path())];
    const auto name = names.find(path.filename().string());
    if (name == names.end() || name->second != own)
      wrong.push_back("the name of " + path.string() + " was not synced");
  };
  look(root);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) look(entry.path());
  return wrong;
}

/// 0: let the kernel answer.
static int Note(int fd) {
  const std::lock_guard guard(mutex);
  const std::filesystem::path path = "/proc/self/fd/" + std::to_string(fd);
  const auto own = InodeOf(path);
  if (!watching || !own) return 0;
  if (++calls == die_at) _exit(9);
  if (!std::filesystem::is_directory(path)) {
    synced.insert(*own);
    return 0;
  }
  if (folder_error != 0) return folder_error;
  auto& names = listed[*own];
  names.clear();
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (const auto inode = InodeOf(entry.path())) names[entry.path().filename().string()] = *inode;
  }
  return 0;
}

}  // namespace muster::test

/// In the place of libc's.
extern "C" int fsync(int fd) {
  if (const int error = muster::test::Note(fd); error != 0) {
    errno = error;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fsync, fd));
}
