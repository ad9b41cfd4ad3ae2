#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "registry/model_store.h"
#include "registry/signing_key.h"
#include "runtime/base/result.h"

/// The audit's hash chain, for every adapter of the store. The format outlives a process; it is in
/// registry/README.md:
///
///   hash = lower-case hex SHA-256 of the canonical JSON of
///     {"action","actor","detail","model","previous_hash","reason","sequence","time_ms","version"}
///
/// Canonical JSON: keys in byte order, no blanks; integers and strings only here, `detail` being the
/// canonical JSON of what changed, as a string. The first entry's previous_hash is empty.
///
/// Each entry's hash is signed. Since a hash covers all entries before it, so does its signature: a verifier checks
/// every hash and link, and of the signatures the newest and each kCheckedEvery-th. Whoever has no key can then
/// neither change an entry nor put one at the end; a signature that is damaged between two checked ones is seen only
/// when all are checked. What no signature shows is an end that was cut together with audit_head: for that a head that
/// was written down elsewhere is compared. Pure.

namespace muster::registry {

/// Keys of objects sorted bytewise at every level, no blanks. kInvalid when `text` is no JSON.
Result<std::string> CanonicalJson(std::string_view text);
/// What `entry.hash` must be.
std::string AuditHash(const AuditEntry& entry);

inline constexpr std::int64_t kCheckedEvery = 256;

/// An entry as it was written down.
struct AuditHead {
  std::int64_t sequence = 0;
  std::string hash;
};

struct AuditCheck {
  /// The newest entry must be signed by it; none: by the one that the database names, if it names one.
  std::optional<PublicKey> key = std::nullopt;
  /// Must still be in the chain.
  std::optional<AuditHead> head = std::nullopt;
  bool every_signature = false;  ///< else the newest and each kCheckedEvery-th
  int threads = 0;               ///< 0: one a core
};

struct AuditReport {
  std::string finding;  ///< the first that does not fit, in words; empty: whole
  std::int64_t entries = 0;
  std::string head;
  std::int64_t signed_since = 0;  ///< the first entry under the key; 0: nothing is signed
  std::int64_t signatures = 0;    ///< that were checked
};

/// Walks a chain, oldest first, from its begin or from a later entry.
class AuditVerifier {
 public:
  /// Entries from `since` on are signed with `key`.
  struct Signed {
    const PublicKey* key = nullptr;
    std::int64_t since = 0, every = kCheckedEvery;
  };
  AuditVerifier() = default;
  AuditVerifier(AuditHead after, Signed with)
      : count_(after.sequence), head_(std::move(after.hash)), signed_(with) {}

  /// kCorrupt names the entry and what is wrong with it: its number, its link, its content or its signature.
  Status Add(const AuditEntry& entry);
  /// kCorrupt when the last entry, which Add may have passed over, is not signed as it should.
  Status CheckNewest();
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] const std::string& head() const { return head_; }
  [[nodiscard]] std::int64_t signatures() const { return signatures_; }

 private:
  Status CheckSignature(std::string_view signature);

  std::int64_t count_ = 0, signatures_ = 0;
  std::string head_;
  std::string newest_signature_;
  Signed signed_;
};

}  // namespace muster::registry
