#include "registry/audit_chain.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

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

}  // namespace

Result<std::string> CanonicalJson(std::string_view text) {
  MUSTER_ASSIGN_OR_RETURN(const auto value, wire::ParseJson(text));
  return wire::SerializeJson(Sorted(value));
}

std::string AuditHash(const AuditEntry& entry) {
  const boost::json::object fields = {{"action", entry.action},
                                      {"actor", entry.actor},
                                      {"detail", entry.detail_json},
                                      {"model", entry.model},
                                      {"previous_hash", entry.previous_hash},
                                      {"reason", entry.reason},
                                      {"sequence", entry.sequence},
                                      {"time_ms", entry.time_ms},
                                      {"version", entry.version}};
  return Sha256Hex(wire::SerializeJson(fields));
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
  return Ok();
}

}  // namespace muster::registry
