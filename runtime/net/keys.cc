#include "runtime/net/keys.h"

#include <sys/stat.h>
#include <zmq.h>

#include <array>
#include <boost/describe/class.hpp>

#include "runtime/base/file.h"
#include "runtime/wire/codec.h"

namespace muster::net {

BOOST_DESCRIBE_STRUCT(KeyPair, (), (public_key, secret_key))

namespace {

constexpr std::size_t kKeyLength = 40;  // Z85 of 32 bytes

Status CheckKey(const std::string& key, std::string_view what) {
  std::array<std::uint8_t, 32> bytes;
  if (key.size() == kKeyLength && zmq_z85_decode(bytes.data(), key.c_str()) != nullptr) return Ok();
  return Corrupt(std::string(what) + " has " + std::to_string(key.size()) +
                 " characters; wanted 40 of Z85");
}

}  // namespace

Result<KeyPair> MakeKeyPair() {
  std::array<char, kKeyLength + 1> public_key{};
  std::array<char, kKeyLength + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    return Unsupported("libzmq was built without CURVE");
  }
  return KeyPair{public_key.data(), secret_key.data()};
}

Result<KeyPair> LoadKeyPair(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(file));
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) return IoError("stat " + file.string(), errno);
  if ((status.st_mode & 077) != 0) {
    return Unauthorized("key file " + file.string() +
                        " can be read by others; wanted mode 0600 (chmod 600)");
  }
  auto keys = wire::Decode<KeyPair>(text);
  if (!keys.ok()) return Corrupt("key file " + file.string() + ": " + keys.error().message);
  for (const auto& [key, what] :
       {std::pair(keys->public_key, "public_key"), std::pair(keys->secret_key, "secret_key")}) {
    if (auto good = CheckKey(key, what); !good.ok())
      return good.error().With("key file " + file.string());
  }
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
  auto list = wire::Decode<AllowList>(*text);
  if (!list.ok()) return Corrupt("allow-list " + file.string() + ": " + list.error().message);
  for (const auto& [key, node] : *list) {
    if (auto good = CheckKey(key, "the key of node " + node.value); !good.ok())
      return good.error().With("allow-list " + file.string());
  }
  return list;
}

Status SaveAllowList(const std::filesystem::path& file, const AllowList& list) {
  return WriteFileAtomically(file, wire::Encode(list) + "\n", 0600);
}

}  // namespace muster::net
