#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/wire/http.h"

namespace muster::http::internal {

/// Keeps web pages of other sites away from a server that needs no login.
///
/// A page that rebinds its own name to 127.0.0.1 sends that name as Host; a page that posts to us across
/// sites sends its own address as Origin. The port in Host is not compared: it differs behind an SSH
/// tunnel, and an attacker cannot choose the name anyway.
class Guard {
 public:
  /// Names compare without case and without port. `any_host`: Host is not checked, Origin still is.
  Guard(std::vector<std::string> hosts, bool any_host);

  /// The refusal: 400 without a Host in HTTP/1.1, 403 for a foreign Host or, on a method that writes,
  /// for an Origin other than this server.
  [[nodiscard]] std::optional<Response> Check(const Request& request, bool http_1_1) const;

 private:
  std::vector<std::string> hosts_;
  bool any_host_;
};

/// "example.org:80" -> "example.org", "[::1]:80" -> "[::1]".
std::string_view WithoutPort(std::string_view authority);

}  // namespace muster::http::internal
