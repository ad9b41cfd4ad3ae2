#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "runtime/base/result.h"
#include "runtime/net/keys.h"
#include "runtime/net/zmq_handles.h"

/// Who may connect to a CURVE server: the allow-list as it is asked for every message, and libzmq's question at
/// each handshake (ZAP, RFC ZeroMQ 27).

namespace muster::net {

/// Any thread. What Set replaces is gone for every Find that begins after it has returned.
class KeyTable {
 public:
  void Set(AllowList list);
  [[nodiscard]] std::optional<AllowedKey> Find(const std::string& public_key) const;

 private:
  mutable std::mutex mutex_;  ///< guards keys_
  std::unordered_map<std::string, AllowedKey> keys_;
};

/// Lets the keys of a table in; a connection's key is the User-Id of each of its messages. One thread.
class ZapHandler {
 public:
  /// Before the server binds: without a handler libzmq lets every key in. `context` outlives this.
  Status Open(void* context);
  [[nodiscard]] void* socket() const { return socket_.get(); }
  /// Answers the question that waits, if one does. The key that was refused: anybody's.
  std::optional<std::string> Answer(const KeyTable& keys);

 private:
  SocketHandle socket_;
};

}  // namespace muster::net
