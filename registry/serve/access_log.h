#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"

namespace muster::registry::serve {

/// An answered request. Requests that the HTTP server refuses by itself (malformed, too large, another's host) reach no
/// route and are not among them.
struct AccessRecord {
  UnixMillis time = 0;  ///< when the answer was ready
  std::string_view request_id, method;
  std::string_view route;  ///< the pattern: "/v2/models/{model}/infer"; empty: none matched
  std::string_view model, version;  ///< empty: no prediction, or the model is not served
  int status = 200;
  std::size_t bytes_in = 0, bytes_out = 0;  ///< of the bodies as they go over the wire
  std::chrono::nanoseconds total{0}, queue{0}, compute{0};
  std::string_view traceparent, tracestate;  ///< W3C Trace Context; empty: not sent
};

/// One JSON object and a line feed. Times in it are UTC, durations whole microseconds; model, version, queue_us and
/// compute_us are left out without a model, and the trace where there is none.
std::string AccessLine(const AccessRecord& record);

/// Where lines go. Each is one write(2) to a file that is appended to, so that lines of several servers stay whole and
/// one that was killed has lost none. Safe from any thread.
class AccessLogFile {
 public:
  /// "-": standard output. kIo when it cannot be opened.
  static Result<std::unique_ptr<AccessLogFile>> Open(const std::string& path);
  ~AccessLogFile();
  AccessLogFile(const AccessLogFile&) = delete;
  AccessLogFile& operator=(const AccessLogFile&) = delete;

  /// A line that cannot be written, for the disk is full, is dropped: requests go on.
  void Write(std::string_view line) const;

 private:
  explicit AccessLogFile(int file) : file_(file) {}
  const int file_;
};

}  // namespace muster::registry::serve
