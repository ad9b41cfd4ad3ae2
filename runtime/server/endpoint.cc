#include "runtime/server/endpoint.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

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
