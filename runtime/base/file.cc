#include "runtime/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace muster {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error FileError(std::string_view verb, const std::filesystem::path& path, int error_number) {
  Error error = IoError(std::string(verb) + " " + path.string(), error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) error.kind = ErrorKind::kResource;
  if (error_number == ENOENT) error.kind = ErrorKind::kNotFound;
  return error;
}

Status Write(const std::filesystem::path& path, std::string_view bytes, unsigned mode, bool sync) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode));
  if (file.get() < 0) return FileError("create", path, errno);
  // A temporary file that a crash left behind keeps its old mode.
  if (fchmod(file.get(), mode) != 0) return FileError("set the mode of", path, errno);
  const auto size = static_cast<off_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  // At the end: blocks that are written again need not be found again.
  if (ftruncate(file.get(), size) != 0) return FileError("set the size of", path, errno);
  if (sync && fsync(file.get()) != 0) return FileError("fsync", path, errno);
  return Ok();
}

Status Replace(const std::filesystem::path& path, std::string_view bytes, unsigned mode,
               bool sync) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  MUSTER_RETURN_IF_ERROR(Write(temporary, bytes, mode, sync));
  if (rename(temporary.c_str(), path.c_str()) != 0) return FileError("rename to", path, errno);
  return Ok();
}

}  // namespace

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes,
                           unsigned mode) {
  MUSTER_RETURN_IF_ERROR(Replace(path, bytes, mode, true));
  return SyncToDisk(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

Status ReplaceFile(const std::filesystem::path& path, std::string_view bytes, unsigned mode) {
  return Replace(path, bytes, mode, false);
}

Status OverwriteFile(const std::filesystem::path& path, std::string_view bytes, unsigned mode) {
  return Write(path, bytes, mode, false);
}

Status MakeFolders(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> missing;  // each within the next
  std::error_code error;
  for (auto at = std::filesystem::absolute(path, error).lexically_normal();
       !error && !std::filesystem::exists(at, error) && at.has_relative_path();
       at = at.parent_path()) {
    if (at.has_filename()) missing.push_back(at);  // "a/b/" ends without one
  }
  if (!error) std::filesystem::create_directories(path, error);
  if (error == std::errc::not_a_directory || error == std::errc::file_exists)
    return Invalid("a part of " + path.string() + " is a file; wanted folders");
  if (error) return FileError("make", path, error.value());
  for (const auto& made : missing) MUSTER_RETURN_IF_ERROR(SyncToDisk(made.parent_path()));
  return Ok();
}

Status SyncToDisk(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == EACCES) return Ok();
  if (file.get() < 0) return FileError("open", path, errno);
  if (fsync(file.get()) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
    return Ok();
  return FileError("fsync", path, errno);
}

Result<std::string> ReadWholeFile(const std::filesystem::path& path, std::size_t bytes_max) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError("open", path, errno);
  std::string bytes;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > bytes_max) {
      return ResourceExhausted(path.string() + " is longer than " + std::to_string(bytes_max) +
                               " bytes");
    }
  }
}

}  // namespace muster
