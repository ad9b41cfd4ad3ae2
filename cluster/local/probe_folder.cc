#include "cluster/local/probe_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/file.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kOldSeconds = 86'400;

std::string FileSystemName(const fs::path& folder) {
  // statfs(2), and Lustre's and BeeGFS's own headers.
  static constexpr std::array<std::pair<std::uint32_t, const char*>, 14> kNames{
      {{0xEF53, "ext4"},
       {0x58465342, "xfs"},
       {0x9123683E, "btrfs"},
       {0x01021994, "tmpfs"},
       {0x6969, "nfs"},
       {0x0BD00BD0, "lustre"},
       {0x794c7630, "overlay"},
       {0x65735546, "fuse"},
       {0x2FC12FC1, "zfs"},
       {0x19830326, "beegfs"},
       {0xFF534D42, "cifs"},
       {0xFE534D42, "smb2"},
       {0x47504653, "gpfs"},
       {0x00C36400, "ceph"}}};
  struct statfs about{};
  if (statfs(folder.c_str(), &about) != 0) return "?";
  const auto type = static_cast<std::uint32_t>(about.f_type);
  for (const auto& [magic, name] : kNames) {
    if (magic == type) return name;
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", type);
  return text.data();
}

/// The step to which a time with nanoseconds was rounded.
std::int64_t StepOf(long nanoseconds_wanted, long nanoseconds_kept) {
  if (nanoseconds_kept == nanoseconds_wanted) return 1;
  if (nanoseconds_kept == 0) return 1'000'000'000;
  std::int64_t step = 1;
  while (nanoseconds_kept % (step * 10) == 0) step *= 10;
  return step;
}

Status Measure(const fs::path& file, FolderFacts& facts) {
  struct stat about{};
  if (stat(file.c_str(), &about) != 0) return IoError("look at " + file.string(), errno);
  const std::int64_t kept_ms =
      std::int64_t{about.st_mtim.tv_sec} * 1'000 + about.st_mtim.tv_nsec / 1'000'000;
  facts.mtime_ahead_ms = kept_ms - SystemClock().UnixNow();
  constexpr long kUneven = 123'456'789;
  const std::array<timespec, 2> times{{{1'700'000'001, kUneven}, {1'700'000'001, kUneven}}};
  if (utimensat(AT_FDCWD, file.c_str(), times.data(), 0) != 0 || stat(file.c_str(), &about) != 0)
    return IoError("set the time of " + file.string(), errno);
  facts.mtime_step_ns = about.st_mtim.tv_sec == times[0].tv_sec
                            ? StepOf(kUneven, about.st_mtim.tv_nsec)
                            : 2'000'000'000;
  return Ok();
}

}  // namespace

ProbeFolder::ProbeFolder(fs::path folder, const std::string& id)
    : folder_(std::move(folder)), own_(folder_ / (".doctor-" + id)) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    struct stat about{};
    if (!entry.path().filename().string().starts_with(".doctor-")) continue;
    if (stat(entry.path().c_str(), &about) != 0) continue;
    const std::int64_t age = SystemClock().UnixNow() / 1'000 - std::int64_t{about.st_mtim.tv_sec};
    // A clock that is an hour off says so elsewhere, and deletes nothing of today.
    if (age > kOldSeconds && entry.path() != own_) fs::remove_all(entry.path(), ignored);
  }
}

FolderFacts ProbeFolder::Look(const std::string& node) const {
  FolderFacts facts{.path = folder_.string(), .file_system = FileSystemName(folder_), .error = ""};
  struct statvfs space{};
  if (statvfs(folder_.c_str(), &space) == 0) {
    facts.free_bytes = static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
  }
  std::error_code error;
  fs::create_directories(own_, error);
  Status status = error ? Status(IoError("make " + own_.string(), error.value())) : Ok();
  if (status.ok()) status = Create(node, node);
  if (status.ok()) status = Measure(file(node), facts);
  if (status.ok()) status = SyncToDisk(own_);
  if (!status.ok()) facts.error = status.error().message;
  return facts;
}

bool ProbeFolder::Sees(const std::string& node) const {
  const auto text = ReadWholeFile(file(node));
  return text.ok() && *text == node;
}

void ProbeFolder::Leave(const std::string& node) const {
  std::error_code ignored;
  fs::remove(file(node), ignored);
  fs::remove(own_, ignored);
}

Status ProbeFolder::Create(const std::string& name, const std::string& text) const {
  MUSTER_RETURN_IF_ERROR(OverwriteFile(file(name), text));
  return SyncToDisk(file(name));
}

Status ProbeFolder::Replace(const std::string& name, const std::string& text) const {
  return WriteFileAtomically(file(name), text);
}

Result<bool> ProbeFolder::CreateAlone(const std::string& name) const {
  const int fd = open(file(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
  if (fd < 0 && errno != EEXIST) return IoError("make " + file(name).string(), errno);
  return fd >= 0;
}

void ProbeFolder::Remove(const std::string& name) const {
  std::error_code ignored;
  fs::remove(file(name), ignored);
}

}  // namespace muster::cluster::local
