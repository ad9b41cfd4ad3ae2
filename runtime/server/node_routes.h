#pragma once

#include <functional>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "runtime/net/node_keys.h"
#include "runtime/wire/http.h"

namespace muster::server {

/// Where agents connect, as they are told.
struct WireAddress {
  std::string endpoint;  ///< "tcp://host:port"
  std::string server_public_key;
  /// The server listens on every interface and was not told its own name: whoever knows a host through which it
  /// is reached had better use that one.
  bool any_host = false;
};

/// Who may join, under /api/muster/v1:
///   POST nodes/{id}/invite   {"public_key"} -> {"node"}
///   POST nodes/{id}/rotate   the same, for a node that has a key
///   POST nodes/{id}/revoke   -> {"node", "keys": how many went}
///   GET  node-keys           {"keys": [{"node", "public_key", "role", "added_ms", "seen"}]}
///   GET  wire                {"endpoint", "server_public_key", "any_host", "majors": [1, 2]}
/// Secret keys are made and stay where the client is. `keys`, `clock` and what `address` reaches outlive the
/// router; `address` answers kUnavailable while the server starts or stops.
void AddNodeRoutes(http::Router& router, net::NodeKeys& keys, const Clock& clock,
                   const std::function<Result<WireAddress>()>& address);

}  // namespace muster::server
