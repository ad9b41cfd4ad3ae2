#include "runtime/cli/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"

namespace muster::cli {
namespace {

std::string PartName(const std::filesystem::path& path) { return path.string() + ".part"; }

}  // namespace

Result<std::unique_ptr<PartFile>> PartFile::Open(const std::filesystem::path& path,
                                                 std::uint64_t keep) {
  const std::string name = PartName(path);
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return IoError(name, errno);
  std::unique_ptr<PartFile> part(new PartFile(path, file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Conflict(name + " is being written by another process");
  }
  struct stat status{};
  if (::fstat(file, &status) != 0) return IoError(name, errno);
  if (static_cast<std::uint64_t>(status.st_size) < keep) {
    return Corrupt(name + " has " + std::to_string(status.st_size) + " bytes, not the " +
                   std::to_string(keep) + " that were safe");
  }
  const auto size = static_cast<off_t>(keep);
  if (::ftruncate(file, size) != 0 || ::lseek(file, size, SEEK_SET) != size) {
    return IoError(name, errno);
  }
  part->bytes_ = keep;
  return part;
}

PartFile::~PartFile() { ::close(file_); }

Status PartFile::Append(std::string_view bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return IoError(PartName(path_), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Ok();
}

Status PartFile::Sync() {
  if (::fdatasync(file_) != 0) return IoError(PartName(path_), errno);
  return Ok();
}

Status PartFile::Finish() {
  MUSTER_RETURN_IF_ERROR(Sync());
  std::error_code code;
  std::filesystem::rename(PartName(path_), path_, code);
  if (code) return IoError(path_.string(), code.value());
  const auto folder = path_.parent_path();
  return SyncToDisk(folder.empty() ? "." : folder);
}

}  // namespace muster::cli
