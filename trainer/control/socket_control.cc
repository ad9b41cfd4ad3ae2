#include "trainer/control/socket_control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::trainer::control {
namespace {

struct Answer {
  std::optional<std::int64_t> ack;
  std::optional<std::string> command;
};
BOOST_DESCRIBE_STRUCT(Answer, (), (ack, command))

Result<int> Connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof(address.sun_path)) {
    return Invalid("the socket path '" + text + "' is longer than " +
                   std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return IoError("making a socket", errno);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int failed = errno;
    ::close(fd);
    return Unavailable("nobody listens at MUSTER_CONTROL=" + text + " (" + std::strerror(failed) +
                       ")");
  }
  return fd;
}

class SocketControl final : public Control {
 public:
  SocketControl(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~SocketControl() override { Disconnect(); }
  SocketControl(const SocketControl&) = delete;
  SocketControl& operator=(const SocketControl&) = delete;

  Status Send(const wire::TrialRecord& record) override {
    if (unacknowledged_.size() >= kUnacknowledgedMax) {
      return Unavailable("muster has not acknowledged the last " +
                         std::to_string(kUnacknowledgedMax) + " records");
    }
    unacknowledged_.push_back(wire::EncodeRecord(record));
    outgoing_ += unacknowledged_.back();
    Exchange();
    return Ok();
  }

  Command Poll() override {
    Exchange();
    return std::exchange(command_, Command::kNone);
  }

  Status Flush() override;

 private:
  void Exchange();
  [[nodiscard]] bool WriteSome();
  [[nodiscard]] bool ReadSome();
  void HandleLine(std::string_view line);
  void Disconnect() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    outgoing_.clear();
    incoming_.clear();
  }

  std::filesystem::path path_;
  int fd_;
  std::string outgoing_, incoming_;
  std::deque<std::string> unacknowledged_;
  std::int64_t acknowledged_here_ = 0;  ///< on this connection
  Command command_ = Command::kNone;
};

void SocketControl::Exchange() {
  if (fd_ < 0) {
    auto fd = Connect(path_);
    if (!fd.ok()) return;  // the shim may come back; Flush has the deadline
    fd_ = *fd;
    acknowledged_here_ = 0;
    for (const std::string& line : unacknowledged_) outgoing_ += line;
  }
  const bool open = WriteSome();
  // Also from a peer that is gone: what it said before it went counts.
  if (!ReadSome() || !open) Disconnect();
}

/// False when the connection is over.
bool SocketControl::WriteSome() {
  while (!outgoing_.empty()) {
    const ssize_t sent =
        ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    outgoing_.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

/// False when the connection is over.
bool SocketControl::ReadSome() {
  char buffer[4096];
  bool open = true;
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    open = got > 0;
    if (!open) break;
    incoming_.append(buffer, static_cast<std::size_t>(got));
  }
  std::size_t begin = 0;
  for (std::size_t end; (end = incoming_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    HandleLine(std::string_view(incoming_).substr(begin, end - begin));
  }
  incoming_.erase(0, begin);
  return open;
}

void SocketControl::HandleLine(std::string_view line) {
  const auto answer = wire::Decode<Answer>(line);
  if (!answer.ok()) {
    return LogWarning("control", "a line from muster is not understood: " + answer.error().message);
  }
  if (answer->ack) {
    for (; acknowledged_here_ < *answer->ack && !unacknowledged_.empty(); ++acknowledged_here_) {
      unacknowledged_.pop_front();
    }
  }
  if (!answer->command) return;
  if (*answer->command == "stop") {
    command_ = Command::kStop;
  } else if (*answer->command == "checkpoint") {
    command_ = std::max(command_, Command::kCheckpoint);
  } else {
    LogWarning("control", "unknown command '" + *answer->command + "' from muster");
  }
}

Status SocketControl::Flush() {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::seconds(kFlushSeconds);
  for (;;) {
    Exchange();
    if (unacknowledged_.empty()) return Ok();
    if (steady_clock::now() > deadline) {
      return Unavailable("muster did not acknowledge " + std::to_string(unacknowledged_.size()) +
                         " records within " + std::to_string(kFlushSeconds) + " s");
    }
    pollfd waited{fd_, static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)), 0};
    ::poll(&waited, 1, 50);  // without a connection: just a pause (a negative fd is ignored)
  }
}

}  // namespace

Result<std::unique_ptr<Control>> ConnectControl(const std::filesystem::path& socket) {
  MUSTER_ASSIGN_OR_RETURN(const int fd, Connect(socket));
  return std::unique_ptr<Control>(std::make_unique<SocketControl>(socket, fd));
}

}  // namespace muster::trainer::control
