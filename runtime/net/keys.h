#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

/// CURVE keys (RFC ZeroMQ 26) and who may connect. Keys are Z85 text of 40 characters, as libzmq prints
/// them. Files are JSON, written whole (temporary file, fsync, rename) with mode 0600; a key file that
/// others can read is refused.

namespace muster::net {

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

/// A fresh pair from the system's entropy.
Result<KeyPair> MakeKeyPair();
/// {"public_key": ..., "secret_key": ...}. kNotFound, kCorrupt, kUnauthorized (mode), kIo.
Result<KeyPair> LoadKeyPair(const std::filesystem::path& file);
Status SaveKeyPair(const std::filesystem::path& file, const KeyPair& keys);
/// Loads the pair, or makes and saves one when the file does not exist.
Result<KeyPair> LoadOrMakeKeyPair(const std::filesystem::path& file);

/// Who holds a key, and what it may say.
enum class Role {
  kAgent,     ///< an agent's messages, in the name of its own node
  kAdmin,     ///< nothing yet: what it says is refused
  kObserver,  ///< nothing yet: what it says is refused
};
/// "agent", "admin", "observer".
std::string_view RoleName(Role role);
struct AllowedKey {
  NodeId node;
  Role role = Role::kAgent;
  std::int64_t added_ms = 0;  ///< Unix time
  bool seen = false;          ///< something came from its holder once

  AllowedKey() = default;
  AllowedKey(NodeId id) : node(std::move(id)) {}  // NOLINT: an agent's key, by intent
  friend bool operator==(const AllowedKey&, const AllowedKey&) = default;
};

/// By client public key. A node has one key, or two while it rotates.
using AllowList = std::map<std::string, AllowedKey>;
/// {"<public key>": {"node", "role", "added_ms", "seen"}}, or {"<public key>": "<node>"} as it once was; an
/// absent file is an empty list.
Result<AllowList> LoadAllowList(const std::filesystem::path& file);
Status SaveAllowList(const std::filesystem::path& file, const AllowList& list);
/// kInvalid unless it is 40 characters of Z85.
Status CheckPublicKey(const std::string& key);

/// What an agent elsewhere needs to join: the file that `muster node invite` writes.
struct NodeKey {
  NodeId node;
  std::string endpoint;  ///< "tcp://host:port"
  std::string server_public_key;
  KeyPair keys;
};
/// {"node", "endpoint", "server_public_key", "keys": {...}}, mode 0600. kAlreadyExists when the file is there:
/// a key that is in use must not be lost.
Status SaveNodeKey(const std::filesystem::path& file, const NodeKey& key);
/// kNotFound, kCorrupt, kUnauthorized (mode), kIo.
Result<NodeKey> LoadNodeKey(const std::filesystem::path& file);

}  // namespace muster::net
