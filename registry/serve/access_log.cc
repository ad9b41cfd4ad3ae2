#include "registry/serve/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include "registry/serve/json_tensors.h"

namespace muster::registry::serve {

namespace {

/// "2026-11-27T18:36:17.042Z" (RFC 3339).
std::string TimeText(UnixMillis time) {
  const std::time_t seconds = time / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const int more = std::snprintf(text.data() + size, text.size() - size, ".%03dZ",
                                 static_cast<int>(time % 1000));
  return {text.data(), size + static_cast<std::size_t>(more)};
}

}  // namespace

std::string AccessLine(const AccessRecord& record) {
  std::string line = "{\"time\":\"" + TimeText(record.time) + '"';
  const auto text = [&](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    line.append(",\"").append(key).append("\":");
    AppendQuoted(line, value);
  };
  const auto number = [&](std::string_view key, std::size_t value) {
    line.append(",\"").append(key).append("\":").append(std::to_string(value));
  };
  const auto microseconds = [&](std::string_view key, std::chrono::nanoseconds value) {
    number(key, static_cast<std::size_t>(value.count()) / 1000);
  };
  text("request_id", record.request_id);
  text("method", record.method);
  text("route", record.route);
  text("model", record.model);
  text("version", record.version);
  number("status", static_cast<std::size_t>(record.status));
  number("bytes_in", record.bytes_in);
  number("bytes_out", record.bytes_out);
  microseconds("total_us", record.total);
  if (!record.model.empty()) {
    microseconds("queue_us", record.queue);
    microseconds("compute_us", record.compute);
  }
  text("traceparent", record.traceparent);
  text("tracestate", record.tracestate);
  return line + "}\n";
}

Result<std::unique_ptr<AccessLogFile>> AccessLogFile::Open(const std::string& path) {
  constexpr int kMode = 0644;
  const int file = path == "-"
                       ? ::dup(STDOUT_FILENO)
                       : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode);
  if (file < 0) return IoError("open the access log " + path, errno);
  return std::unique_ptr<AccessLogFile>(new AccessLogFile(file));
}

AccessLogFile::~AccessLogFile() { ::close(file_); }

void AccessLogFile::Write(std::string_view line) const {
  while (::write(file_, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace muster::registry::serve
