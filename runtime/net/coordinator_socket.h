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
/// node than the key does is dropped. Each node is answered in the major that it spoke last.
///
/// libzmq cannot close the connection of one peer, so that every message is held against the allow-list as it
/// is then: from a key that is no longer in it, from another role than an agent, in an agent's mouth what only a coordinator
/// says, from an older start of a node's agent than was heard already, or in a major that is not spoken, it
/// is not heard and answered by a refusal (wire/refusal.h), upon which an agent hangs up.

namespace muster::net {

class CoordinatorSocket {
 public:
  struct Options {
    std::string endpoint = "tcp://127.0.0.1:0";  ///< port 0 picks one; see endpoint()
    KeyPair keys;
    AllowList allowed;
    wire::Majors majors;   ///< that are spoken
    int queue_max = 4096;  ///< messages waiting to be sent, over all nodes; more are dropped
  };
  struct Callbacks {
    /// From the socket's thread, one at a time; must not block and may call Send.
    std::function<void(const NodeId&, wire::Envelope)> on_message;
    /// From the socket's thread, when a message could not be routed: the node's connection is gone; or when its
    /// key is no longer allowed. Silence alone is not noticed here; that is what leases are for. May be empty.
    std::function<void(const NodeId&)> on_lost;
    /// From the socket's thread, once a key: something was heard from its holder. May be empty.
    std::function<void(const std::string& public_key)> on_key_seen = {};
    /// From the socket's thread, at each of its messages: the node's agent speaks a major that is not spoken here, as
    /// `why` says. It may go on in another one. May be empty.
    std::function<void(const NodeId&, const std::string& why)> on_stranger = {};
  };

  /// Binds and starts the thread. kUnavailable when the port is taken, kInvalid for a malformed endpoint
  /// or key.
  static Result<std::unique_ptr<CoordinatorSocket>> Start(Options options, Callbacks callbacks);
  /// Stops and joins the thread; no callback runs afterwards.
  ~CoordinatorSocket();
  CoordinatorSocket(const CoordinatorSocket&) = delete;
  CoordinatorSocket& operator=(const CoordinatorSocket&) = delete;

  /// Queues a message, whose major and sequence are filled in, to the newest connection of a node; lost when there is none, as on any network. Any
  /// thread.
  void Send(const NodeId& node, wire::Envelope envelope);
  /// Replaces the allow-list. Nothing is heard any more from a key that is gone when this returns; the node that
  /// stands behind it is told, and counts as lost. Any thread.
  void SetAllowed(AllowList allowed);
  /// "tcp://127.0.0.1:41234", with the real port.
  [[nodiscard]] const std::string& endpoint() const;

 private:
  struct Impl;
  explicit CoordinatorSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::net
