#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/net/keys.h"
#include "runtime/wire/messages.h"

/// The coordinator's end of the wire: a ZeroMQ ROUTER with CURVE. A node is known by its key alone (ZAP,
/// RFC ZeroMQ 27): an unknown key is refused in the handshake, and a Hello or Heartbeat that names another
/// node than the key does is dropped.

namespace muster::net {

class CoordinatorSocket {
 public:
  struct Options {
    std::string endpoint = "tcp://127.0.0.1:0";  ///< port 0 picks one; see endpoint()
    KeyPair keys;
    AllowList allowed;
    int queue_max =
        4096;  ///< messages waiting to be sent, over all nodes; more are dropped and counted
  };
  struct Callbacks {
    /// From the socket's thread, one at a time; must not block and may call Send.
    std::function<void(const NodeId&, wire::Envelope)> on_message;
    /// From the socket's thread, when a message could not be routed: the node's connection is gone. Silence
    /// alone is not noticed here; that is what leases are for. May be empty.
    std::function<void(const NodeId&)> on_lost;
  };

  /// Binds and starts the thread. kUnavailable when the port is taken, kInvalid for a malformed endpoint
  /// or key.
  static Result<std::unique_ptr<CoordinatorSocket>> Start(Options options, Callbacks callbacks);
  /// Stops and joins the thread; no callback runs afterwards.
  ~CoordinatorSocket();
  CoordinatorSocket(const CoordinatorSocket&) = delete;
  CoordinatorSocket& operator=(const CoordinatorSocket&) = delete;

  /// Queues a message to the newest connection of a node; lost when there is none, as on any network. Any
  /// thread.
  void Send(const NodeId& node, const wire::Envelope& envelope);
  /// Replaces the allow-list for handshakes from now on; connections that stand are not cut. Any thread.
  void SetAllowed(AllowList allowed);
  /// "tcp://127.0.0.1:41234", with the real port.
  [[nodiscard]] const std::string& endpoint() const;

 private:
  struct Impl;
  explicit CoordinatorSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::net
