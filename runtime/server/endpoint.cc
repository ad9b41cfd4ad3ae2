#include "runtime/server/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

namespace muster::server {
namespace {

/// Where host and port begin, behind "scheme://".
std::size_t AfterScheme(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == std::string_view::npos ? 0 : scheme + 3;
}

/// Of "host:port/path"; "[::1]:80" has its last colon behind the bracket.
struct Parts {
  std::string_view host, rest;
};
Parts Split(std::string_view url) {
  const std::string_view text = url.substr(AfterScheme(url));
  const std::string_view authority = text.substr(0, text.find('/'));
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  const bool port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  const std::size_t end = port ? colon : authority.size();
  return {text.substr(0, end), text.substr(end)};
}

}  // namespace

Result<std::string> LocalAddressToward(std::string_view endpoint) {
  const std::string host = HostOf(endpoint), port = std::to_string(PortOf(endpoint));
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0)
    return Unavailable("the address of " + host + ": " + gai_strerror(code));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in local{};
  socklen_t size = sizeof local;
  const bool known = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0;
  const int failure = errno;
  if (fd >= 0) close(fd);
  if (!known) return IoError("the way to " + host, failure);
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, &local.sin_addr, text.data(), text.size());
  return std::string(text.data());
}

std::string HostOf(std::string_view url) { return std::string(Split(url).host); }

std::uint16_t PortOf(std::string_view url) {
  const std::string_view rest = Split(url).rest;
  std::uint16_t port = 0;
  if (rest.starts_with(':')) std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  return port;
}

std::string WithHost(std::string_view url, std::string_view host) {
  return std::string(url.substr(0, AfterScheme(url))) + std::string(host) +
         std::string(Split(url).rest);
}

bool IsAnyHost(std::string_view host) {
  return host == "0.0.0.0" || host == "*" || host == "::" || host == "[::]";
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

Result<std::string> HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return IoError("gethostname", errno);
  return std::string(name.data());
}

}  // namespace muster::server
