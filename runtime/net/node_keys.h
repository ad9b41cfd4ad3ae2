#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "runtime/base/result.h"
#include "runtime/net/keys.h"

/// Who may join, while the server runs: the allow-list with its file. Each change is on disk before it counts,
/// and is handed to whoever enforces it.
///
///   invite   a node that has no key gets one
///   rotate   a node gets a second key; the first goes when the second has been seen, or with the node
///   revoke   all keys of a node go
///
/// Any thread.

namespace muster::net {

class NodeKeys {
 public:
  /// `own`: the local agent's key, which is in no file and cannot be changed; may be empty. `enforce` is
  /// called with the whole list, here and after each change, under this object's lock.
  static Result<std::unique_ptr<NodeKeys>> Open(std::filesystem::path file, AllowList own,
                                                std::function<void(const AllowList&)> enforce);

  /// kInvalid for a name that is not 1 to 64 letters, digits, '.', '_' or '-' (no sign first), or a malformed
  /// key; kAlreadyExists when the node has a key; kConflict when the key is another's; kResource.
  Status Invite(const NodeId& node, const std::string& public_key, std::int64_t now_ms);
  /// As Invite, but kNotFound for a node that was not invited. A second key that was not seen yet is replaced.
  Status Rotate(const NodeId& node, const std::string& public_key, std::int64_t now_ms);
  /// How many keys went. kNotFound; kConflict for the local agent.
  Result<int> Revoke(const NodeId& node);

  /// Its holder said something. Does nothing but take note, so it may come from a socket's thread.
  void OnSeen(const std::string& public_key);
  /// Writes down what was noted and ends rotations. At least every few seconds.
  Status Settle();

  /// Of nodes elsewhere.
  [[nodiscard]] AllowList List() const;

 private:
  NodeKeys(std::filesystem::path file, AllowList own, AllowList list,
           std::function<void(const AllowList&)> enforce);
  Status Add(const NodeId& node, const std::string& public_key, std::int64_t now_ms,
             AllowList list);
  Status Change(AllowList list);
  void Enforce() const;

  const std::filesystem::path file_;
  const AllowList own_;
  const std::function<void(const AllowList&)> enforce_;
  mutable std::mutex mutex_;  ///< guards what follows
  AllowList list_;
  std::set<std::string> noted_;
};

}  // namespace muster::net
