#include "trainer/files/checkpoint_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <span>
#include <utility>

#include "registry/safetensors.h"
#include "runtime/base/file.h"
#include "runtime/base/sha256.h"

namespace muster::trainer::files {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;  ///< hashed and written, while in the cache
/// The disk begins to write after this much, not at the fsync: that then waits less, and nobody finds the page
/// cache full of what is unwritten.
constexpr std::int64_t kStartWriting = std::int64_t{32} << 20;

Error FileError(std::string_view verb, const std::filesystem::path& path, int error_number) {
  Error error = IoError(std::string(verb) + " " + path.string(), error_number);
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG) {
    error.kind = ErrorKind::kResource;
  }
  if (error_number == ENOENT) error.kind = ErrorKind::kNotFound;
  return error;
}

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::int64_t done() const { return done_; }
  [[nodiscard]] std::string Hash() { return hash_.Hex(); }

  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kPiece);
      hash_.Update(piece);
      MUSTER_RETURN_IF_ERROR(WritePiece(piece));
      bytes.remove_prefix(piece.size());
    }
    return Ok();
  }

  /// The next bytes. kCorrupt at the end of the file.
  Status Read(std::span<std::byte> into) {
    while (!into.empty()) {
      const ssize_t got = ::read(fd_, into.data(), std::min(into.size(), kPiece));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError("read", path_, errno);
      if (got == 0) return Corrupt("the file ends at byte " + std::to_string(done_));
      const auto size = static_cast<std::size_t>(got);
      hash_.Update({reinterpret_cast<const char*>(into.data()), size});
      into = into.subspan(size);
      done_ += got;
    }
    return Ok();
  }

 private:
  Status WritePiece(std::string_view piece) {
    while (!piece.empty()) {
      const ssize_t written = ::write(fd_, piece.data(), piece.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FileError("write", path_, errno);
      piece.remove_prefix(static_cast<std::size_t>(written));
      done_ += written;
    }
    if (done_ - started_ >= kStartWriting) {
      // Advice: where it is not taken, the fsync does all.
      (void)::sync_file_range(fd_, started_, done_ - started_, SYNC_FILE_RANGE_WRITE);
      started_ = done_;
    }
    return Ok();
  }

  const std::filesystem::path path_;
  const int fd_;
  std::int64_t done_ = 0, started_ = 0;
  Sha256 hash_;
};

Status CheckDistinct(const std::vector<TensorView>& tensors) {
  std::set<std::string_view> names;
  for (const TensorView& tensor : tensors) {
    if (!names.insert(tensor.name).second || tensor.name == "__metadata__") {
      return Invalid("two tensors of one checkpoint are named '" + tensor.name + "'");
    }
  }
  return Ok();
}

Result<std::string> Head(const CheckpointView& checkpoint) {
  MUSTER_RETURN_IF_ERROR(CheckDistinct(checkpoint.tensors));
  std::vector<registry::PlacedTensor> placed;
  placed.reserve(checkpoint.tensors.size());
  for (const TensorView& tensor : checkpoint.tensors) {
    MUSTER_ASSIGN_OR_RETURN(const auto type, registry::ElementTypeFromName(tensor.dtype));
    const auto count = registry::ElementCount(tensor.shape);
    if (!count.ok()) return count.error().With("tensor '" + tensor.name + "'");
    const std::size_t wanted = static_cast<std::size_t>(*count) * registry::ElementSize(type);
    if (wanted != tensor.bytes.size()) {
      return Invalid("tensor '" + tensor.name + "' has " + std::to_string(tensor.bytes.size()) +
                     " bytes; " + tensor.dtype + " " + registry::ShapeText(tensor.shape) +
                     " wants " + std::to_string(wanted));
    }
    placed.push_back({.name = tensor.name, .type = type, .shape = tensor.shape});
  }
  auto metadata = checkpoint.metadata;
  metadata["progress"] = EncodeProgress(checkpoint.progress);
  return registry::WriteSafetensorsHead(placed, metadata);
}

Result<FileDigest> WriteTo(const std::filesystem::path& path, const CheckpointView& checkpoint) {
  MUSTER_ASSIGN_OR_RETURN(const std::string head, Head(checkpoint));
  auto size = static_cast<off_t>(head.size());
  for (const TensorView& tensor : checkpoint.tensors) {
    size += static_cast<off_t>(tensor.bytes.size());
  }
  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.fd() < 0) return FileError("create", path, errno);
  // A full disk is found before anything is written. Not every file system can tell.
  if (::fallocate(file.fd(), 0, 0, size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    return FileError("make room for " + std::to_string(size) + " bytes in", path, errno);
  }
  MUSTER_RETURN_IF_ERROR(file.Write(head));
  for (const TensorView& tensor : checkpoint.tensors) {
    MUSTER_RETURN_IF_ERROR(
        file.Write({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()}));
  }
  if (::fsync(file.fd()) != 0) return FileError("fsync", path, errno);
  return FileDigest{.bytes = file.done(), .sha256 = file.Hash()};
}

Status CheckLength(const std::filesystem::path& path, std::int64_t size, const FileDigest& wanted) {
  if (size == wanted.bytes) return Ok();
  return Corrupt(path.string() + " has " + std::to_string(size) + " bytes; saved were " +
                 std::to_string(wanted.bytes));
}

Status CheckHash(const std::filesystem::path& path, const std::string& hash,
                 const FileDigest& wanted) {
  if (hash == wanted.sha256) return Ok();
  return Corrupt(path.string() + " has the SHA-256 " + hash + "; saved was " + wanted.sha256);
}

Result<std::int64_t> Length(const File& file) {
  struct stat status{};
  if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) {
    return FileError("open", file.path(), errno);
  }
  if (S_ISDIR(status.st_mode)) return FileError("read", file.path(), EISDIR);
  return static_cast<std::int64_t>(status.st_size);
}

Result<Checkpoint> ReadFrom(File& file, std::int64_t length) {
  std::string first(static_cast<std::size_t>(std::min<std::int64_t>(8, length)), '\0');
  MUSTER_RETURN_IF_ERROR(file.Read(std::as_writable_bytes(std::span(first))));
  const auto size = static_cast<std::uint64_t>(length);
  MUSTER_ASSIGN_OR_RETURN(const auto header_size, registry::SafetensorsHeaderSize(first, size));
  std::string header(header_size, '\0');
  MUSTER_RETURN_IF_ERROR(file.Read(std::as_writable_bytes(std::span(header))));
  MUSTER_ASSIGN_OR_RETURN(auto layout,
                          registry::ReadSafetensorsHeader(header, size - 8 - header_size));
  Checkpoint checkpoint;
  const auto progress = layout.metadata.find("progress");
  if (progress == layout.metadata.end()) {
    return Corrupt("its metadata has no 'progress': it is no checkpoint of muster");
  }
  MUSTER_ASSIGN_OR_RETURN(checkpoint.progress, DecodeProgress(progress->second));
  layout.metadata.erase(progress);
  checkpoint.metadata = std::move(layout.metadata);
  checkpoint.tensors.reserve(layout.tensors.size());
  for (registry::PlacedTensor& placed : layout.tensors) {
    auto& tensor = checkpoint.tensors.emplace_back(StoredTensor{
        .name = std::move(placed.name),
        .dtype = std::string(registry::ElementTypeName(placed.type)),
        .shape = std::move(placed.shape),
        .bytes = std::vector<std::byte>(static_cast<std::size_t>(placed.end - placed.begin))});
    MUSTER_RETURN_IF_ERROR(file.Read(tensor.bytes));
  }
  return checkpoint;
}

}  // namespace

Result<FileDigest> WriteCheckpointFile(const std::filesystem::path& path,
                                       const CheckpointView& checkpoint) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  auto digest = WriteTo(temporary, checkpoint);
  if (digest.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    digest = FileError("rename to", path, errno);
  }
  if (!digest.ok()) {
    // What a full disk cut short must not keep it full.
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return digest;
  }
  MUSTER_RETURN_IF_ERROR(SyncToDisk(path.parent_path()));
  return digest;
}

Result<Checkpoint> ReadCheckpointFile(const std::filesystem::path& path, const FileDigest* wanted) {
  File file(path, O_RDONLY);
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t length, Length(file));
  if (wanted != nullptr) MUSTER_RETURN_IF_ERROR(CheckLength(path, length, *wanted));
  auto checkpoint = ReadFrom(file, length);
  if (!checkpoint.ok() && checkpoint.error().kind != ErrorKind::kIo) {
    return Corrupt(path.string() + ": " + checkpoint.error().message);
  }
  if (!checkpoint.ok()) return checkpoint;
  if (wanted != nullptr) MUSTER_RETURN_IF_ERROR(CheckHash(path, file.Hash(), *wanted));
  return checkpoint;
}

Status VerifyCheckpointFile(const std::filesystem::path& path, const FileDigest& wanted) {
  File file(path, O_RDONLY);
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t length, Length(file));
  MUSTER_RETURN_IF_ERROR(CheckLength(path, length, wanted));
  std::vector<std::byte> piece(kPiece);
  while (file.done() < length) {
    const auto left = static_cast<std::size_t>(length - file.done());
    MUSTER_RETURN_IF_ERROR(file.Read(std::span(piece).first(std::min(left, kPiece))));
  }
  return CheckHash(path, file.Hash(), wanted);
}

}  // namespace muster::trainer::files
