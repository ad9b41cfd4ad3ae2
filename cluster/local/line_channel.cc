#include "cluster/local/line_channel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace muster::cluster::local {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(15);  // of one call
constexpr std::size_t kLongestLine = 4096;

Result<sockaddr_in> AddressOf(const std::string& address, int port) {
  sockaddr_in place{.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port))};
  if (inet_pton(AF_INET, address.c_str(), &place.sin_addr) == 1) return place;
  return Invalid("'" + address + "' is no IPv4 address");
}

const sockaddr* Generic(const sockaddr_in& place) {
  return reinterpret_cast<const sockaddr*>(&place);
}

int MillisecondsUntil(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

/// IoError's text, as "try again later".
Error Failed(const std::string& what, int number) {
  return Unavailable(IoError(what, number).message);
}

}  // namespace

LineChannel::LineChannel(int fd) : fd_(fd) {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
LineChannel::~LineChannel() {
  if (fd_ >= 0) close(fd_);
}
LineChannel::LineChannel(LineChannel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

Result<LineChannel> LineChannel::Dial(const std::string& address, int port, milliseconds patience) {
  MUSTER_ASSIGN_OR_RETURN(const sockaddr_in place, AddressOf(address, port));
  const std::string what = "connect to " + address + ":" + std::to_string(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return IoError("socket", errno);
  LineChannel channel(fd);
  if (connect(fd, Generic(place), sizeof place) == 0) return channel;
  if (errno != EINPROGRESS) return Failed(what, errno);
  const Status ready = channel.Wait(POLLOUT, steady_clock::now() + patience);
  if (!ready.ok()) return ready.error().With(what);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Failed(what, error);
  return channel;
}

Status LineChannel::Wait(short events, steady_clock::time_point deadline) const {
  pollfd item{.fd = fd_, .events = events, .revents = 0};
  while (true) {
    const int ready = poll(&item, 1, MillisecondsUntil(deadline));
    if (ready > 0) return Ok();
    if (ready == 0) return Unavailable("no answer in time (packets are dropped on the way?)");
    if (errno != EINTR) return IoError("poll", errno);
  }
}

Status LineChannel::Write(const std::string& line) {
  const auto deadline = steady_clock::now() + kPatience;
  const std::string bytes = line + "\n";
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t wrote = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (wrote > 0) {
      sent += static_cast<std::size_t>(wrote);
    } else if (errno == EAGAIN || errno == EINTR) {
      MUSTER_RETURN_IF_ERROR(Wait(POLLOUT, deadline));
    } else {
      return Failed("the other node's probe", errno);
    }
  }
  return Ok();
}

Result<std::string> LineChannel::Read() {
  const auto deadline = steady_clock::now() + kPatience;
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (buffer_.size() > kLongestLine) return ResourceExhausted("a line without end");
    std::array<char, 1024> bytes;
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    } else if (got == 0) {
      return Unavailable("the other node's probe hung up");
    } else if (errno == EAGAIN || errno == EINTR) {
      MUSTER_RETURN_IF_ERROR(Wait(POLLIN, deadline));
    } else {
      return Failed("the other node's probe", errno);
    }
  }
}

Result<std::string> LineChannel::Ask(const std::string& line) {
  MUSTER_RETURN_IF_ERROR(Write(line));
  MUSTER_ASSIGN_OR_RETURN(std::string answer, Read());
  if (answer.starts_with("error ")) return Unavailable(answer.substr(6));
  return answer;
}

Status LineChannel::Exchange(std::span<const float> mine, std::span<float> theirs) {
  const auto out = std::as_bytes(mine);
  const auto in = std::as_writable_bytes(theirs);
  const auto deadline = steady_clock::now() + kPatience;
  std::size_t sent = 0, got = std::min(buffer_.size(), in.size());
  std::copy_n(std::as_bytes(std::span(buffer_)).begin(), got, in.begin());
  buffer_.erase(0, got);
  while (sent < out.size() || got < in.size()) {
    bool moved = false;
    if (sent < out.size()) {
      const ssize_t wrote = send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (wrote < 0 && errno != EAGAIN && errno != EINTR)
        return Failed("the other node's probe", errno);
      if (wrote > 0) sent += static_cast<std::size_t>(wrote);
      moved = wrote > 0;
    }
    if (got < in.size()) {
      const ssize_t read = recv(fd_, in.data() + got, in.size() - got, 0);
      if (read == 0) return Unavailable("the other node's probe hung up");
      if (read < 0 && errno != EAGAIN && errno != EINTR)
        return Failed("the other node's probe", errno);
      if (read > 0) got += static_cast<std::size_t>(read);
      moved = moved || read > 0;
    }
    if (moved) continue;
    const int events = (sent < out.size() ? POLLOUT : 0) | (got < in.size() ? POLLIN : 0);
    MUSTER_RETURN_IF_ERROR(Wait(static_cast<short>(events), deadline));
  }
  return Ok();
}

Result<Listener> Listener::Open(const std::string& address, int port) {
  MUSTER_ASSIGN_OR_RETURN(sockaddr_in place, AddressOf(address, port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return IoError("socket", errno);
  Listener listener(fd, port);
  const int on = 1;
  socklen_t size = sizeof place;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, Generic(place), size) != 0 || listen(fd, 8) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&place), &size) != 0) {
    return IoError("listen on " + address + ":" + std::to_string(port), errno);
  }
  listener.port_ = ntohs(place.sin_port);
  return listener;
}

Listener::~Listener() {
  if (fd_ >= 0) close(fd_);
}

Result<LineChannel> Listener::Accept(milliseconds patience) {
  const auto deadline = steady_clock::now() + patience;
  for (;;) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return LineChannel(fd);
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) return IoError("accept", errno);
    pollfd item{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&item, 1, MillisecondsUntil(deadline)) == 0) return Unavailable("nobody called");
  }
}

}  // namespace muster::cluster::local
