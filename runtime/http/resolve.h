#pragma once

#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace muster::http {

/// The IPv4 and IPv6 addresses of a host, or the one that it is, as text (getaddrinfo). May wait for the network.
/// kUnavailable with the resolver's text as Python words it: "[Errno -2] Name or service not known".
Result<std::vector<std::string>> ResolveHost(const std::string& host);

}  // namespace muster::http
