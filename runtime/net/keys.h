#pragma once

#include <filesystem>
#include <map>
#include <string>

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

/// Client public key -> the node it stands for. One key a node; a node may have several while it rotates.
using AllowList = std::map<std::string, NodeId>;
/// {"<public key>": "<node>"}; an absent file is an empty list.
Result<AllowList> LoadAllowList(const std::filesystem::path& file);
Status SaveAllowList(const std::filesystem::path& file, const AllowList& list);

}  // namespace muster::net
