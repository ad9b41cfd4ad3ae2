#include "runtime/net/keys.h"

#include <sys/stat.h>
#include <zmq.h>

#include <array>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::net {

BOOST_DESCRIBE_STRUCT(KeyPair, (), (public_key, secret_key))
BOOST_DESCRIBE_ENUM(Role, kAgent, kAdmin, kObserver)
BOOST_DESCRIBE_STRUCT(AllowedKey, (), (node, role, added_ms, seen))
BOOST_DESCRIBE_STRUCT(NodeKey, (), (node, endpoint, server_public_key, keys))

namespace {

constexpr std::size_t kKeyLength = 40;  // Z85 of 32 bytes

Status CheckKey(const std::string& key, std::string_view what) {
  std::array<std::uint8_t, 32> bytes;
  if (key.size() == kKeyLength && zmq_z85_decode(bytes.data(), key.c_str()) != nullptr) return Ok();
  return Corrupt(std::string(what) + " has " + std::to_string(key.size()) +
                 " characters; wanted 40 of Z85");
}

/// Its JSON, unless others can read the file.
template <typename T>
Result<T> LoadSecret(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) return IoError("stat " + file.string(), errno);
  if ((status.st_mode & 077) != 0) {
    return Unauthorized("key file " + file.string() +
                        " can be read by others; wanted mode 0600 (chmod 600)");
  }
  auto secret = wire::Decode<T>(text);
  if (!secret.ok()) return Corrupt("key file " + file.string() + ": " + secret.error().message);
  return secret;
}

Status CheckPair(const KeyPair& keys) {
  MUSTER_RETURN_IF_ERROR(CheckKey(keys.public_key, "public_key"));
  return CheckKey(keys.secret_key, "secret_key");
}

Result<AllowedKey> AllowedKeyFromJson(const wire::Json& json) {
  if (json.is_string()) return AllowedKey(NodeId(std::string(json.get_string())));
  return wire::FromJson<AllowedKey>(json);
}

}  // namespace

std::string_view RoleName(Role role) {
  constexpr std::array<std::string_view, 3> kNames{"agent", "admin", "observer"};
  return kNames[static_cast<std::size_t>(role)];
}

Status CheckPublicKey(const std::string& key) {
  const Status good = CheckKey(key, "the public key");
  return good.ok() ? good : Status(Invalid(good.error().message));
}

Result<KeyPair> MakeKeyPair() {
  std::array<char, kKeyLength + 1> public_key{};
  std::array<char, kKeyLength + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    return Unsupported("libzmq was built without CURVE");
  }
  return KeyPair{public_key.data(), secret_key.data()};
}

Result<KeyPair> LoadKeyPair(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(KeyPair keys, LoadSecret<KeyPair>(file));
  if (auto good = CheckPair(keys); !good.ok())
    return good.error().With("key file " + file.string());
  return keys;
}

Status SaveKeyPair(const std::filesystem::path& file, const KeyPair& keys) {
  return WriteFileAtomically(file, wire::Encode(keys) + "\n", 0600);
}

Result<KeyPair> LoadOrMakeKeyPair(const std::filesystem::path& file) {
  auto found = LoadKeyPair(file);
  if (found.ok() || found.error().kind != ErrorKind::kNotFound) return found;
  MUSTER_ASSIGN_OR_RETURN(KeyPair keys, MakeKeyPair());
  MUSTER_RETURN_IF_ERROR(SaveKeyPair(file, keys));
  return keys;
}

Result<AllowList> LoadAllowList(const std::filesystem::path& file) {
  auto text = ReadWholeFile(file);
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) return AllowList{};
  if (!text.ok()) return text.error();
  const auto json = wire::Decode<std::map<std::string, wire::Json>>(*text);
  if (!json.ok()) return Corrupt("allow-list " + file.string() + ": " + json.error().message);
  AllowList list;
  for (const auto& [key, entry] : *json) {
    auto allowed = AllowedKeyFromJson(entry);
    if (!allowed.ok())
      return Corrupt("allow-list " + file.string() + ": key " + key + ": " +
                     allowed.error().message);
    if (auto good = CheckKey(key, "the key of node " + allowed->node.value); !good.ok())
      return good.error().With("allow-list " + file.string());
    list[key] = std::move(allowed).value();
  }
  return list;
}

Status SaveAllowList(const std::filesystem::path& file, const AllowList& list) {
  return WriteFileAtomically(file, wire::Encode(list) + "\n", 0600);
}

Status SaveNodeKey(const std::filesystem::path& file, const NodeKey& key) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored))
    return AlreadyExists(file.string() + " is there already; name another file");
  return WriteFileAtomically(file, wire::Encode(key) + "\n", 0600);
}

Result<NodeKey> LoadNodeKey(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(NodeKey key, LoadSecret<NodeKey>(file));
  Status good = CheckPair(key.keys);
  if (good.ok()) good = CheckKey(key.server_public_key, "server_public_key");
  if (good.ok() && (key.node.empty() || key.endpoint.empty()))
    good = Corrupt("node or endpoint is missing");
  if (!good.ok())
    return good.error().With("key file " + file.string() +
                             " (wanted one that muster node invite wrote)");
  return key;
}

}  // namespace muster::net
