#include "registry/files/onnx_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

fs::path With(const fs::path& path, const char* ending) { return path.string() + ending; }

/// A file that is written piece by piece and is gone unless it was published.
class Draft {
 public:
  static Result<Draft> Create(fs::path place) {
    const fs::path path = With(place, ".tmp");
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return Failed("create", path);
    return Draft(std::move(place), fd);
  }
  Draft(Draft&& other) noexcept : place_(std::move(other.place_)), fd_(other.fd_) {
    other.fd_ = -1;
  }
  Draft& operator=(Draft&&) = delete;
  ~Draft() {
    if (fd_ < 0) return;
    close(fd_);
    unlink(Temporary().c_str());
  }

  Status Append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("write", Temporary());
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return Ok();
  }
  Status Flush() {
    if (fsync(fd_) != 0) return Failed("fsync", Temporary());
    return Ok();
  }
  Status Publish() {
    if (rename(Temporary().c_str(), place_.c_str()) != 0) return Failed("rename to", place_);
    close(fd_);
    fd_ = -1;
    return Ok();
  }

 private:
  Draft(fs::path place, int fd) : place_(std::move(place)), fd_(fd) {}
  [[nodiscard]] fs::path Temporary() const { return With(place_, ".tmp"); }
  static Error Failed(std::string_view verb, const fs::path& path) {
    const int number = errno;
    Error error = IoError(std::string(verb) + " " + path.string(), number);
    if (number == ENOSPC || number == EDQUOT) error.kind = ErrorKind::kResource;
    return error;
  }

  fs::path place_;
  int fd_;
};

}  // namespace

Status WriteOnnxFile(const onnx::Model& model, const fs::path& path,
                     const OnnxFileOptions& options) {
  const fs::path weights_path = With(path, ".data");
  const bool pair = onnx::WeightBytes(model) > options.inline_bytes_max;
  MUSTER_ASSIGN_OR_RETURN(Draft file, Draft::Create(path));
  const auto to_file = [&](std::string_view bytes) { return file.Append(bytes); };
  std::error_code ignored;
  if (pair) {
    MUSTER_ASSIGN_OR_RETURN(Draft weights, Draft::Create(weights_path));
    MUSTER_RETURN_IF_ERROR(
        onnx::WriteWithWeightFile(model, to_file,
                                  {weights_path.filename(), options.external_bytes_min,
                                   [&](std::string_view bytes) { return weights.Append(bytes); }}));
    MUSTER_RETURN_IF_ERROR(weights.Flush());
    MUSTER_RETURN_IF_ERROR(file.Flush());
    if (fs::exists(weights_path, ignored)) fs::remove(path, ignored);
    MUSTER_RETURN_IF_ERROR(weights.Publish());
  } else {
    MUSTER_RETURN_IF_ERROR(onnx::Write(model, to_file));
    MUSTER_RETURN_IF_ERROR(file.Flush());
  }
  MUSTER_RETURN_IF_ERROR(file.Publish());
  if (!pair) fs::remove(weights_path, ignored);
  return SyncToDisk(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

Result<onnx::Model> ReadOnnxFile(const fs::path& path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes, ReadWholeFile(path, onnx::kMaxModelBytes));
  const auto open_weights = [&](const std::string& name) -> Result<onnx::TensorBytes> {
    const fs::path weights = path.parent_path() / name;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(weights, error);
    if (fs::exists(status) && !fs::is_regular_file(status)) {
      return Corrupt(weights.string() + " is not a plain file");
    }
    constexpr std::size_t kAny = std::numeric_limits<std::ptrdiff_t>::max();
    MUSTER_ASSIGN_OR_RETURN(std::string whole, ReadWholeFile(weights, kAny));
    const auto owner = std::make_shared<const std::string>(std::move(whole));
    return onnx::TensorBytes::Borrow(*owner, owner);
  };
  auto model = onnx::Read(bytes, open_weights);
  if (!model.ok()) return model.error().With(path.string());
  return model;
}

}  // namespace muster::registry
