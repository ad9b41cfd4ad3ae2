#pragma once

#include <string>
#include <string_view>

#include "registry/model_store.h"
#include "runtime/base/result.h"

/// The audit's hash chain, for every adapter of the store. The format outlives a process; it is in
/// registry/README.md:
///
///   hash = lower-case hex SHA-256 of the canonical JSON of
///     {"action","actor","detail","model","previous_hash","reason","sequence","time_ms","version"}
///
/// Canonical JSON: keys in byte order, no blanks; integers and strings only here, `detail` being the
/// canonical JSON of what changed, as a string. The first entry's previous_hash is empty. Pure.

namespace muster::registry {

/// Keys of objects sorted bytewise at every level, no blanks. kInvalid when `text` is no JSON.
Result<std::string> CanonicalJson(std::string_view text);
/// What `entry.hash` must be.
std::string AuditHash(const AuditEntry& entry);

/// Walks a chain, oldest first.
class AuditVerifier {
 public:
  /// kCorrupt names the entry and what is wrong with it: its number, its link or its content.
  Status Add(const AuditEntry& entry);
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] const std::string& head() const { return head_; }

 private:
  std::int64_t count_ = 0;
  std::string head_;
};

}  // namespace muster::registry
