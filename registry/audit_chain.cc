#include "registry/audit_chain.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/json_text.h"

namespace muster::registry {
namespace {

boost::json::value Sorted(const boost::json::value& value) {
  if (const auto* array = value.if_array()) {
    boost::json::array sorted;
    for (const auto& element : *array) sorted.push_back(Sorted(element));
    return sorted;
  }
  if (const auto* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& member : *object) keys.emplace_back(member.key());
    std::sort(keys.begin(), keys.end());
    boost::json::object sorted;
    for (const auto key : keys) sorted[key] = Sorted(object->at(key));
    return sorted;
  }
  return value;
}

/// In byte order: written straight to text, that is canonical.
struct HashedFields {
  std::string_view action, actor, detail, model, previous_hash, reason;
  std::int64_t sequence = 0, time_ms = 0, version = 0;
};
BOOST_DESCRIBE_STRUCT(HashedFields, (),
                      (action, actor, detail, model, previous_hash, reason, sequence, time_ms,
                       version))

}  // namespace

Result<std::string> CanonicalJson(std::string_view text) {
  MUSTER_ASSIGN_OR_RETURN(const auto value, wire::ParseJson(text));
  return wire::SerializeJson(Sorted(value));
}

std::string AuditHash(const AuditEntry& entry) {
  return Sha256Hex(wire::Encode(HashedFields{entry.action, entry.actor, entry.detail_json,
                                             entry.model, entry.previous_hash, entry.reason,
                                             entry.sequence, entry.time_ms, entry.version}));
}

Status AuditVerifier::Add(const AuditEntry& entry) {
  const std::string named = "audit entry " + std::to_string(entry.sequence);
  if (entry.sequence != count_ + 1) {
    return Corrupt(named + " follows entry " + std::to_string(count_) + "; wanted entry " +
                   std::to_string(count_ + 1));
  }
  if (entry.previous_hash != head_) {
    return Corrupt(named + " links to hash '" + entry.previous_hash +
                   "'; the entry before it has '" + head_ + "'");
  }
  if (const std::string hash = AuditHash(entry); entry.hash != hash) {
    return Corrupt(named + " (" + entry.action + " of '" + entry.model + "') has hash '" +
                   entry.hash + "'; its content gives '" + hash + "'");
  }
  ++count_;
  head_ = entry.hash;
  newest_signature_ = entry.signature;
  if (signed_.key == nullptr || count_ < signed_.since) return Ok();
  if (entry.signature.empty()) return Corrupt(named + " is not signed");
  return count_ % signed_.every == 0 ? CheckSignature(entry.signature) : Ok();
}

Status AuditVerifier::CheckNewest() {
  if (signed_.key == nullptr || count_ % signed_.every == 0) return Ok();
  return CheckSignature(newest_signature_);
}

Status AuditVerifier::CheckSignature(std::string_view signature) {
  ++signatures_;
  if (signed_.key->Verifies(head_, signature)) return Ok();
  return Corrupt("audit entry " + std::to_string(count_) +
                 " is not signed by the audit's key: it, or one of the " +
                 std::to_string(std::min(signed_.every, count_) - 1) +
                 " before it, was written by somebody else");
}

}  // namespace muster::registry
