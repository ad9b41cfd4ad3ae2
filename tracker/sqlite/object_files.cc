#include "tracker/sqlite/object_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"

namespace muster::tracker {

namespace {

namespace fs = std::filesystem;

Error Failed(const fs::path& path) {
  const int code = errno;
  Error error = IoError(path.string(), code);
  if (code == ENOSPC || code == EDQUOT) error.kind = ErrorKind::kResource;
  return error;
}

/// A file descriptor, closed with its scope.
class File {
 public:
  File(const fs::path& path, int flags) : path_(path), fd_(::open(path.c_str(), flags, 0644)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] Status opened() const { return fd_ >= 0 ? Ok() : Failed(path_); }

  Result<std::size_t> Read(char* buffer, std::size_t size) {
    for (;;) {
      const ssize_t count = ::read(fd_, buffer, size);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return Failed(path_);
    }
  }
  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Failed(path_);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return Ok();
  }
  Status Sync() { return ::fsync(fd_) == 0 ? Ok() : Failed(path_); }

 private:
  fs::path path_;
  int fd_;
};

/// Reads `from` to its end through the hash, and into `to` when there is one.
Result<ObjectInfo> HashAndCopy(const fs::path& from, File* to) {
  File file(from, O_RDONLY | O_CLOEXEC);
  MUSTER_RETURN_IF_ERROR(file.opened());
  Sha256 hash;
  std::int64_t size = 0;
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t count, file.Read(buffer.data(), buffer.size()));
    if (count == 0) return ObjectInfo{hash.Hex(), size};
    const std::string_view bytes(buffer.data(), count);
    hash.Update(bytes);
    size += static_cast<std::int64_t>(count);
    if (to) MUSTER_RETURN_IF_ERROR(to->Write(bytes));
  }
}

constexpr int kCreate = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;

}  // namespace

Result<ObjectFiles> ObjectFiles::Open(const fs::path& root) {
  std::error_code error;
  fs::remove_all(root / "tmp", error);
  for (const char* folder : {"tmp", "objects"}) {
    fs::create_directories(root / folder, error);
    if (error) return IoError((root / folder).string(), error.value());
  }
  return ObjectFiles(root);
}

fs::path ObjectFiles::PathOf(std::string_view sha256) const {
  return root_ / "objects" / sha256.substr(0, 2) / sha256.substr(2);
}

Result<ObjectInfo> ObjectFiles::AddBytes(std::string_view bytes) const {
  const fs::path temporary = root_ / "tmp" / RandomHex(8);
  File file(temporary, kCreate);
  MUSTER_RETURN_IF_ERROR(file.opened());
  ObjectInfo info{Sha256Hex(bytes), static_cast<std::int64_t>(bytes.size())};
  Status written = file.Write(bytes);
  if (written.ok()) written = file.Sync();
  if (written.ok()) written = Publish(temporary, info.sha256);
  if (written.ok()) return info;
  std::error_code ignored;
  fs::remove(temporary, ignored);
  return written.error();
}

Result<ObjectInfo> ObjectFiles::AddFile(const fs::path& file, bool may_move) const {
  const fs::path temporary = root_ / "tmp" / RandomHex(8);
  const auto add = [&]() -> Result<ObjectInfo> {
    if (may_move && ::rename(file.c_str(), temporary.c_str()) == 0) {
      MUSTER_ASSIGN_OR_RETURN(ObjectInfo info, HashAndCopy(temporary, nullptr));
      MUSTER_RETURN_IF_ERROR(SyncToDisk(temporary));
      MUSTER_RETURN_IF_ERROR(Publish(temporary, info.sha256));
      return info;
    }
    File copy(temporary, kCreate);
    MUSTER_RETURN_IF_ERROR(copy.opened());
    MUSTER_ASSIGN_OR_RETURN(ObjectInfo info, HashAndCopy(file, &copy));
    MUSTER_RETURN_IF_ERROR(copy.Sync());
    MUSTER_RETURN_IF_ERROR(Publish(temporary, info.sha256));
    return info;
  };
  auto info = add();
  if (!info) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
  }
  return info;
}

Status ObjectFiles::Publish(const fs::path& temporary, const std::string& sha256) const {
  const fs::path path = PathOf(sha256);
  std::error_code error;
  const bool made = fs::create_directories(path.parent_path(), error);
  if (error) return IoError(path.parent_path().string(), error.value());
  if (made) MUSTER_RETURN_IF_ERROR(SyncToDisk(root_ / "objects"));
  // Renaming over the same content is harmless, so two Puts of it need no lock.
  if (::rename(temporary.c_str(), path.c_str()) != 0) return Failed(path);
  return SyncToDisk(path.parent_path());
}

}  // namespace muster::tracker
