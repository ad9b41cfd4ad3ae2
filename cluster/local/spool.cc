#include "cluster/local/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "cluster/local/record_server.h"
#include "runtime/base/base64.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

/// Up to `bytes_max` bytes from `begin`; short at the end of the file, empty without one.
Result<std::string> ReadAt(const std::filesystem::path& file, std::int64_t begin,
                           std::int64_t bytes_max) {
  std::string bytes;
  struct stat found{};  // most looks find nothing new, which costs less than to open the file
  if (stat(file.c_str(), &found) == 0 && found.st_size <= begin) return bytes;
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return bytes;
  if (fd < 0) return IoError("open " + file.string(), errno);
  const off_t available = lseek(fd, 0, SEEK_END) - begin;
  bytes.resize(static_cast<std::size_t>(std::clamp<off_t>(available, 0, bytes_max)));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got =
        pread(fd, bytes.data() + filled, bytes.size() - filled, begin + static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const Error error = IoError("read " + file.string(), errno);
      close(fd);
      return error;
    }
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  close(fd);
  bytes.resize(filled);
  return bytes;
}

}  // namespace

std::optional<agent::RecordsRead> ReadRecordSpool(const std::filesystem::path& file,
                                                  const agent::ReadRecords& wanted) {
  // A line is never longer than this (what a connection held and one more read), so one always fits,
  // however small the window.
  const auto line_max = static_cast<std::int64_t>(RecordServer::kLineBytesMax) * 2;
  const auto bytes = ReadAt(file, wanted.begin, std::max(wanted.max_bytes, line_max));
  if (!bytes.ok()) return std::nullopt;
  std::string_view rest(*bytes);
  agent::RecordsRead read{.epoch = wanted.epoch, .begin = wanted.begin, .end = wanted.begin};
  while (true) {
    const std::size_t newline = rest.find('\n');
    if (newline == std::string_view::npos) break;
    const auto size = static_cast<std::int64_t>(newline) + 1;
    if (read.end > read.begin && read.end + size - read.begin > wanted.max_bytes) break;
    auto record = wire::DecodeRecord(rest.substr(0, newline));
    if (record.ok()) {
      read.records.push_back(std::move(record).value());
    } else {
      LogWarning("agent", "attempt " + std::to_string(wanted.epoch.value) + ": record at offset " +
                              std::to_string(read.end) + " is skipped: " + record.error().message);
    }
    read.end += size;
    rest.remove_prefix(newline + 1);
  }
  if (read.end == read.begin) return std::nullopt;
  return read;
}

std::optional<agent::LogRead> ReadLogSpool(const std::filesystem::path& file,
                                           const agent::ReadLog& wanted) {
  const auto bytes = ReadAt(file, wanted.begin, wanted.max_bytes);
  if (!bytes.ok() || bytes->empty()) return std::nullopt;
  return agent::LogRead{.epoch = wanted.epoch,
                        .rank = wanted.rank,
                        .stream = wanted.stream,
                        .begin = wanted.begin,
                        .end = wanted.begin + static_cast<std::int64_t>(bytes->size()),
                        .data = EncodeBase64(*bytes)};
}

Result<std::int64_t> WholeLineBytes(const std::filesystem::path& file) {
  const std::int64_t size = FileBytes(file);
  const auto window = static_cast<std::int64_t>(RecordServer::kLineBytesMax) * 2;
  const std::int64_t from = std::max<std::int64_t>(0, size - window);
  MUSTER_ASSIGN_OR_RETURN(const std::string tail, ReadAt(file, from, window));
  const std::size_t newline = tail.rfind('\n');
  if (newline == std::string::npos) return std::int64_t{0};
  return from + static_cast<std::int64_t>(newline) + 1;
}

std::int64_t FileBytes(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

}  // namespace muster::cluster::local
