#include "trainer/peers/link.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/file.h"

namespace muster::trainer::peers {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A peer that does not read its words for so long has other troubles.
constexpr std::size_t kOutgoingMax = std::size_t{1} << 16;
constexpr std::size_t kLineMax = 256;

/// Whether `fd` is ready before `deadline`; signals do not count.
bool WaitFor(int fd, short events, steady_clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    pollfd waited{fd, events, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(0, left)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

Result<Socket> ConnectTo(const addrinfo& address, steady_clock::time_point deadline) {
  Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) return IoError("making a socket", errno);
  if (::connect(socket.fd(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return IoError("connecting", errno);
  if (!WaitFor(socket.fd(), POLLOUT, deadline)) return IoError("connecting", ETIMEDOUT);
  int failed = 0;
  socklen_t size = sizeof(failed);
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return IoError("connecting", failed);
  return socket;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  if (other.fd_ >= 0) ::close(std::exchange(other.fd_, -1));
  return *this;
}

Link::Link(Socket socket) : socket_(std::move(socket)) {
  const int on = 1;
  ::setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void Link::Send(const std::string& line) {
  if (!open()) return;
  if (outgoing_.size() + line.size() <= kOutgoingMax) outgoing_ += line;
  while (!outgoing_.empty()) {
    const ssize_t sent =
        ::send(fd(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;
    outgoing_.erase(0, static_cast<std::size_t>(sent));
  }
}

std::vector<std::string> Link::Read(std::string& ended) {
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::recv(fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0) {
      ended = got == 0 || errno == ECONNRESET
                  ? "its connection closed"
                  : std::string("its connection broke (") + std::strerror(errno) + ")";
      break;
    }
    incoming_.append(buffer, static_cast<std::size_t>(got));
  }
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = incoming_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(incoming_.substr(begin, end - begin));
  }
  incoming_.erase(0, begin);
  return lines;
}

Result<Listener> Listen(bool loopback) {
  const int family = loopback ? AF_INET : AF_INET6;
  Listener listener{Socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  sockaddr_in6 six{};
  sockaddr_in four{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_any;
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
  bool bound = false;
  if (!loopback && listener.socket.open()) {
    const int off = 0;  // IPv4 too
    ::setsockopt(listener.socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    bound = ::bind(listener.socket.fd(), reinterpret_cast<sockaddr*>(&six), sizeof(six)) == 0;
  }
  if (!bound) {
    if (!loopback) listener.socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    bound = ::bind(listener.socket.fd(), reinterpret_cast<sockaddr*>(&four), sizeof(four)) == 0;
  }
  if (!bound || ::listen(listener.socket.fd(), SOMAXCONN) != 0) {
    return IoError("listening for the other ranks", errno);
  }
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  ::getsockname(listener.socket.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  const bool is_six = own.ss_family == AF_INET6;
  listener.port = ntohs(is_six ? reinterpret_cast<sockaddr_in6*>(&own)->sin6_port
                               : reinterpret_cast<sockaddr_in*>(&own)->sin_port);
  return listener;
}

Socket Accept(const Listener& listener, milliseconds timeout) {
  if (!WaitFor(listener.socket.fd(), POLLIN, steady_clock::now() + timeout)) return Socket();
  return Socket(::accept4(listener.socket.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

Result<Socket> Connect(const std::string& host, int port, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return Unavailable(host + ": " + ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Error error = Unavailable(host + " has no address");
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    auto socket = ConnectTo(*one, deadline);
    if (socket.ok()) return socket;
    error = socket.error().With(host + " port " + std::to_string(port));
  }
  return Unavailable(error.message);
}

std::string ReceiveLine(const Socket& socket, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  std::string line;
  // Byte by byte: what follows the line is not this function's to take.
  while (line.size() < kLineMax) {
    char byte = 0;
    const ssize_t got = ::recv(socket.fd(), &byte, 1, MSG_DONTWAIT);
    if (got == 1 && byte == '\n') return line;
    if (got == 1) {
      line += byte;
    } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) ||
               !WaitFor(socket.fd(), POLLIN, deadline)) {
      return "";
    }
  }
  return "";
}

bool SendAll(const Socket& socket, const std::string& text) {
  // A connection's first words find room.
  return ::send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(text.size());
}

std::vector<std::string> OwnAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, &::freeifaddrs);
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0 ||
        (one->ifa_flags & IFF_LOOPBACK) != 0) {
      continue;
    }
    const bool four = one->ifa_addr->sa_family == AF_INET;
    if (!four && one->ifa_addr->sa_family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ifa_addr, four ? sizeof(sockaddr_in) : sizeof(sockaddr_in6), text.data(),
                      text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
      continue;
    }
    const std::string address = text.data();
    if (address.find('%') != std::string::npos) continue;  // of one link only
    addresses.insert(four ? addresses.begin() : addresses.end(), address);
  }
  return addresses;
}

std::string LoopbackId() {
  std::array<char, 64> space{};
  const ssize_t size = ::readlink("/proc/self/ns/net", space.data(), space.size() - 1);
  auto boot = ReadWholeFile("/proc/sys/kernel/random/boot_id");
  std::string id = boot.ok() ? std::move(boot).value() : HostName();
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id + "/" + (size > 0 ? space.data() : "");
}

std::string HostName() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data()[0] == '\0' ? "?" : name.data();
}

}  // namespace muster::trainer::peers
