#include "runtime/http/guard.h"

#include <algorithm>
#include <utility>

#include "runtime/http/encode.h"

namespace muster::http::internal {

namespace {

Response Refusal(int status, std::string message) {
  Response response = ErrorResponse(Unauthorized(std::move(message)));
  response.status = status;
  return response;
}

bool OnlyReads(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

std::string_view WithoutPort(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(0, end + 1);
  }
  return authority.substr(0, authority.find(':'));
}

Guard::Guard(std::vector<std::string> hosts, bool any_host)
    : hosts_(std::move(hosts)), any_host_(any_host) {}

std::optional<Response> Guard::Check(const Request& request, bool http_1_1) const {
  const auto host = request.headers.find("Host");
  if (host == request.headers.end()) {
    if (http_1_1) return ErrorResponse(Invalid("the request has no Host header"));
  } else if (!any_host_ && std::none_of(hosts_.begin(), hosts_.end(), [&](const auto& allowed) {
               return SameName(allowed, WithoutPort(host->second));
             })) {
    return Refusal(403, "Host \"" + host->second + "\" is not this server; it answers to " +
                            (hosts_.empty() ? "nothing" : hosts_.front()));
  }
  const std::string_view origin = request.Header("Origin");
  if (origin.empty() || OnlyReads(request.method)) return std::nullopt;
  const std::size_t scheme = origin.find("://");
  if (host != request.headers.end() && scheme != std::string_view::npos &&
      SameName(origin.substr(scheme + 3), host->second)) {
    return std::nullopt;
  }
  return Refusal(403, "Origin \"" + std::string(origin) + "\" may not " + request.method + " here");
}

}  // namespace muster::http::internal
