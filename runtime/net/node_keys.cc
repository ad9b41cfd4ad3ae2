#include "runtime/net/node_keys.h"

#include <algorithm>

namespace muster::net {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kKeysMax = 20'000;

bool IsAlphanumeric(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9');
}

Status CheckName(const NodeId& node) {
  const std::string& name = node.value;
  const bool good =
      !name.empty() && name.size() <= kNameBytesMax && IsAlphanumeric(name[0]) &&
      std::ranges::all_of(name, [](char letter) {
        return IsAlphanumeric(letter) || letter == '.' || letter == '_' || letter == '-';
      });
  if (good) return Ok();
  return Invalid("node name '" + name.substr(0, kNameBytesMax) +
                 "': wanted 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit");
}

bool IsOf(const AllowList& list, const NodeId& node) {
  return std::ranges::any_of(list, [&](const auto& entry) { return entry.second.node == node; });
}

/// Added last of its node's.
bool IsNewest(const AllowList& list, const AllowedKey& key) {
  return std::ranges::none_of(list, [&](const auto& entry) {
    return entry.second.node == key.node && entry.second.added_ms > key.added_ms;
  });
}

}  // namespace

NodeKeys::NodeKeys(std::filesystem::path file, AllowList own, AllowList list,
                   std::function<void(const AllowList&)> enforce)
    : file_(std::move(file)),
      own_(std::move(own)),
      enforce_(std::move(enforce)),
      list_(std::move(list)) {}

Result<std::unique_ptr<NodeKeys>> NodeKeys::Open(std::filesystem::path file, AllowList own,
                                                 std::function<void(const AllowList&)> enforce) {
  MUSTER_ASSIGN_OR_RETURN(AllowList list, LoadAllowList(file));
  std::unique_ptr<NodeKeys> keys(
      new NodeKeys(std::move(file), std::move(own), std::move(list), std::move(enforce)));
  keys->Enforce();
  return keys;
}

Status NodeKeys::Invite(const NodeId& node, const std::string& public_key, std::int64_t now_ms) {
  MUSTER_RETURN_IF_ERROR(CheckName(node));
  const std::lock_guard lock(mutex_);
  if (IsOf(own_, node))
    return AlreadyExists("node " + node.value + " is the server's own agent; choose another name");
  if (IsOf(list_, node)) {
    return AlreadyExists("node " + node.value +
                         " has a key already; rotate it, or revoke it before it is invited again");
  }
  return Add(node, public_key, now_ms, list_);
}

Status NodeKeys::Rotate(const NodeId& node, const std::string& public_key, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!IsOf(list_, node)) return NotFound("node " + node.value + " was not invited; it has no key");
  AllowList list = list_;
  // The one that its agent uses stays until the new one was seen.
  const bool rotating =
      std::ranges::count_if(list, [&](const auto& entry) { return entry.second.node == node; }) > 1;
  std::erase_if(list, [&](const auto& entry) {
    return rotating && entry.second.node == node && IsNewest(list_, entry.second);
  });
  return Add(node, public_key, now_ms, std::move(list));
}

Status NodeKeys::Add(const NodeId& node, const std::string& public_key, std::int64_t now_ms,
                     AllowList list) {
  MUSTER_RETURN_IF_ERROR(CheckPublicKey(public_key));
  if (list_.contains(public_key) || own_.contains(public_key))
    return Conflict("the key is in use already; each node and each rotation needs a fresh one");
  if (list.size() >= kKeysMax)
    return ResourceExhausted(std::to_string(kKeysMax) + " keys are allowed; revoke some first");
  AllowedKey added(node);
  added.added_ms = now_ms;
  for (const auto& [key, other] : list) {  // a clock may have been set back
    if (other.node == node) added.added_ms = std::max(added.added_ms, other.added_ms + 1);
  }
  list[public_key] = added;
  return Change(std::move(list));
}

Result<int> NodeKeys::Revoke(const NodeId& node) {
  const std::lock_guard lock(mutex_);
  if (IsOf(own_, node)) {
    return Conflict("node " + node.value +
                    " is the server's own agent; start the server with --slots 0 instead");
  }
  AllowList list = list_;
  const auto gone =
      std::erase_if(list, [&](const auto& entry) { return entry.second.node == node; });
  if (gone == 0) return NotFound("node " + node.value + " was not invited; it has no key");
  MUSTER_RETURN_IF_ERROR(Change(std::move(list)));
  return static_cast<int>(gone);
}

void NodeKeys::OnSeen(const std::string& public_key) {
  const std::lock_guard lock(mutex_);
  const auto found = list_.find(public_key);
  if (found != list_.end() && !found->second.seen) noted_.insert(public_key);
}

Status NodeKeys::Settle() {
  const std::lock_guard lock(mutex_);
  if (noted_.empty()) return Ok();
  AllowList list = list_;
  for (const std::string& key : noted_) {
    const auto found = list.find(key);
    if (found == list.end()) continue;
    found->second.seen = true;
    const AllowedKey seen = found->second;
    if (!IsNewest(list, seen)) continue;
    std::erase_if(list, [&](const auto& entry) {
      return entry.second.node == seen.node && entry.first != key;
    });
  }
  MUSTER_RETURN_IF_ERROR(Change(std::move(list)));
  noted_.clear();
  return Ok();
}

AllowList NodeKeys::List() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

Status NodeKeys::Change(AllowList list) {
  MUSTER_RETURN_IF_ERROR(SaveAllowList(file_, list));
  list_ = std::move(list);
  Enforce();
  return Ok();
}

void NodeKeys::Enforce() const {
  AllowList all = list_;
  all.insert(own_.begin(), own_.end());
  enforce_(all);
}

}  // namespace muster::net
