#include "tracker/sqlite/object_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

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

 private:
  fs::path path_;
  int fd_;
};

/// Reads `from` to its end through the hash, and into `to` when there is one.
Status HashAndCopy(const fs::path& from, Sha256& hash, std::int64_t& size, File* to) {
  File file(from, O_RDONLY | O_CLOEXEC);
  MUSTER_RETURN_IF_ERROR(file.opened());
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const std::size_t count, file.Read(buffer.data(), buffer.size()));
    if (count == 0) return Ok();
    const std::string_view bytes(buffer.data(), count);
    hash.Update(bytes);
    size += static_cast<std::int64_t>(count);
    if (to) MUSTER_RETURN_IF_ERROR(to->Write(bytes));
  }
}

constexpr int kCreate = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;

}  // namespace

StagedObject::StagedObject(StagedObject&& other) noexcept
    : sha256(std::move(other.sha256)),
      size(other.size),
      file_(std::exchange(other.file_, fs::path())) {}

StagedObject::~StagedObject() {
  std::error_code ignored;  // a published one has been renamed away
  if (!file_.empty()) fs::remove(file_, ignored);
}

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

StagedObject ObjectFiles::NewStaged() const { return StagedObject(root_ / "tmp" / RandomHex(8)); }

Result<StagedObject> ObjectFiles::Stage(const NewArtifact& artifact) const {
  StagedObject object = NewStaged();
  if (artifact.file.empty()) {
    File file(object.file(), kCreate);
    MUSTER_RETURN_IF_ERROR(file.opened());
    MUSTER_RETURN_IF_ERROR(file.Write(artifact.bytes));
    object.sha256 = Sha256Hex(artifact.bytes);
    object.size = static_cast<std::int64_t>(artifact.bytes.size());
    return object;
  }
  if (!artifact.may_move || ::rename(artifact.file.c_str(), object.file().c_str()) != 0) {
    return StageJoined({artifact.file});
  }
  if (artifact.sha256.empty()) {
    Sha256 hash;
    MUSTER_RETURN_IF_ERROR(HashAndCopy(object.file(), hash, object.size, nullptr));
    object.sha256 = hash.Hex();
    return object;
  }
  std::error_code error;
  object.size = static_cast<std::int64_t>(fs::file_size(object.file(), error));
  if (error) return IoError(object.file().string(), error.value());
  object.sha256 = artifact.sha256;
  return object;
}

Result<StagedObject> ObjectFiles::StageJoined(const std::vector<fs::path>& files) const {
  StagedObject object = NewStaged();
  File copy(object.file(), kCreate);
  MUSTER_RETURN_IF_ERROR(copy.opened());
  Sha256 hash;
  for (const fs::path& file : files) {
    MUSTER_RETURN_IF_ERROR(HashAndCopy(file, hash, object.size, &copy));
  }
  object.sha256 = hash.Hex();
  return object;
}

Status ObjectFiles::Publish(const StagedObject& object) const {
  const fs::path path = PathOf(object.sha256);
  std::error_code error;
  const bool made = fs::create_directories(path.parent_path(), error);
  if (error) return IoError(path.parent_path().string(), error.value());
  if (made) MUSTER_RETURN_IF_ERROR(SyncToDisk(root_ / "objects"));
  // What is there already is on the disk; but its name in the folder may still be on the way.
  if (!fs::exists(path, error)) {
    MUSTER_RETURN_IF_ERROR(SyncToDisk(object.file()));
    // Renaming over the same content is harmless, so two Puts of it need no lock.
    if (::rename(object.file().c_str(), path.c_str()) != 0) return Failed(path);
  }
  return SyncToDisk(path.parent_path());
}

Status ObjectFiles::VisitOlder(
    fs::file_time_type before,
    const std::function<Status(const std::string&, std::int64_t)>& visit) const {
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(root_ / "objects", error)) {
    std::error_code gone;  // somebody else may remove what is being visited
    for (const auto& entry : fs::directory_iterator(folder.path(), gone)) {
      const auto written = entry.last_write_time(gone);
      if (gone || written >= before) continue;
      const auto size = static_cast<std::int64_t>(entry.file_size(gone));
      if (gone) continue;
      MUSTER_RETURN_IF_ERROR(
          visit(folder.path().filename().string() + entry.path().filename().string(), size));
    }
  }
  if (error) return IoError((root_ / "objects").string(), error.value());
  return Ok();
}

}  // namespace muster::tracker
