#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/result.h"
#include "runtime/net/keys.h"
#include "runtime/wire/messages.h"

/// An agent's end of the wire: a ZeroMQ DEALER with CURVE that reconnects for ever (50 ms to 1 s apart). It speaks
/// the newest major that the coordinator understands (wire/dialect.h). Refused for another reason than the
/// major (wire/refusal.h: its key was revoked, say), it hangs up, which is a disconnection, and calls again
/// some seconds later.

namespace muster::net {

class AgentSocket {
 public:
  struct Options {
    std::string endpoint;           ///< of the coordinator, "tcp://host:port"
    KeyPair keys;                   ///< this node's
    std::string server_public_key;  ///< a server with another key is not talked to
    std::int64_t incarnation = 0;   ///< of the agent; travels with each message
    wire::Majors majors;            ///< that may be spoken
    std::chrono::milliseconds pause_after_refusal = std::chrono::seconds(5);
    /// Said something that wants an answer and heard nothing for so long: the connection is taken for dead, and made anew.
    std::chrono::milliseconds silence_max = std::chrono::seconds(6);
    int queue_max = 4096;  ///< messages waiting to be sent; more are dropped and counted
  };
  /// All from the socket's thread, one at a time; must not block. May call Send.
  struct Callbacks {
    std::function<void()> on_connected;     ///< the handshake succeeded
    std::function<void()> on_disconnected;  ///< after on_connected only
    std::function<void(wire::Envelope)> on_message;
    /// The coordinator will not listen, and said why; at each call again. May be empty.
    std::function<void(const std::string& why)> on_refused = {};
  };

  /// Starts the thread; does not wait for the connection. kInvalid for a malformed endpoint or key.
  static Result<std::unique_ptr<AgentSocket>> Start(Options options, Callbacks callbacks);
  /// Stops and joins the thread; no callback runs afterwards.
  ~AgentSocket();
  AgentSocket(const AgentSocket&) = delete;
  AgentSocket& operator=(const AgentSocket&) = delete;

  /// Queues a message, whose major, incarnation and sequence are filled in; lost without a connection, as on any network. Any thread.
  void Send(wire::Envelope envelope);

 private:
  struct Impl;
  explicit AgentSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::net
