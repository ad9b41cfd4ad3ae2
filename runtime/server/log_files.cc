#include "runtime/server/log_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace muster::server {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error WriteError(const std::filesystem::path& file) {
  const int number = errno;
  if (number == ENOSPC || number == EDQUOT) {
    return ResourceExhausted(file.string() + ": the disk is full; a rank's output waits");
  }
  return IoError(file.string() + ": cannot be written", number);
}

}  // namespace

std::filesystem::path LogFiles::PathOf(const TrialId& trial, AttemptEpoch epoch,
                                       const std::string& log) const {
  return root_ / trial.value / (std::to_string(epoch.value) + "." + log);
}

Result<std::int64_t> LogFiles::Append(const std::filesystem::path& file, std::int64_t begin,
                                      std::string_view bytes) {
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  const Descriptor out{::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
  struct stat status{};
  if (out.fd < 0 || ::fstat(out.fd, &status) != 0) return WriteError(file);
  std::int64_t size = status.st_size;
  if (begin > size || begin + static_cast<std::int64_t>(bytes.size()) <= size) return size;
  bytes.remove_prefix(static_cast<std::size_t>(size - begin));
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(out.fd, bytes.data(), bytes.size(), size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return WriteError(file);
    size += written;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return size;
}

}  // namespace muster::server
