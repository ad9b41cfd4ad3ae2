#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/approval.h"
#include "registry/audit_chain.h"
#include "registry/model_store.h"
#include "runtime/base/result.h"

/// The port to what an auditor asks of a registry: policies and approvals, the people who may give them, what served
/// when, and whether the audit is whole. Adapter: registry/sqlite, the same object as its ModelStore, so that a
/// decision, the promotion that waited for it and their audit entries are one transaction.
///
/// People are known by tokens, random and kept as their SHA-256. Tokens and policies are given out by whoever may
/// write the database (the command line on the server's machine); no HTTP route changes them.
///
/// Threads: any. A change is durable when its call returns.

namespace muster::registry {

struct Decision {
  std::string model;
  std::int64_t version = 0;
  std::string person;  ///< known already: PersonOf
  bool approve = false;
  std::string reason;
};

/// Where a version stands.
struct ApprovalState {
  std::string author, digest;
  std::vector<Approval> approvals;   ///< all, oldest first; those of another digest count no more
  std::vector<std::string> unmet;    ///< of the model's policy
  std::vector<AliasEntry> promoted;  ///< promotions that went on with this decision
};

/// What an alias named at a time, who let it, and what was known then.
struct Served {
  AliasChange change;         ///< version 0: nothing served
  std::int64_t until_ms = 0;  ///< when the next change came; 0: it names it now
  std::int64_t audit = 0;  ///< the entry of the change; 0: written by a muster that did not keep it
  std::string source;      ///< of the version; empty when it is deleted
  std::string author;
  std::vector<GateVerdict> verdicts;
  std::vector<Approval> approvals;  ///< in force then
};

class TrustStore {
 public:
  virtual ~TrustStore() = default;

  /// nullopt: nothing is guarded.
  virtual Result<std::optional<ApprovalPolicy>> Policy(std::string_view model) = 0;
  /// Of a name: it holds whether the model is there or not. No value: takes it away.
  virtual Status SetPolicy(std::string_view model, const std::optional<ApprovalPolicy>& policy,
                           const Actor& actor) = 0;

  /// A new token of the person, which is shown this once. kInvalid for an empty name.
  virtual Result<std::string> AddToken(std::string_view person, const Actor& actor) = 0;
  /// All tokens of the person end. kNotFound.
  virtual Status RevokeTokens(std::string_view person, const Actor& actor) = 0;
  /// kUnauthorized.
  virtual Result<std::string> PersonOf(std::string_view token) = 0;

  /// Writes the decision down; a promotion that waited for this approval goes on. kFenced, with an audit entry, for the
  /// author or a stranger (MayDecide); kNotFound.
  virtual Result<ApprovalState> Decide(const Decision& decision) = 0;
  virtual Result<ApprovalState> Approvals(std::string_view model, std::int64_t version) = 0;

  /// By an index; kNotFound when the alias named nothing yet at `at_ms`, or the model is deleted.
  virtual Result<Served> ServedAt(std::string_view model, std::string_view alias,
                                  std::int64_t at_ms) = 0;

  /// Checks chain and signatures with all cores, while others write.
  virtual Result<AuditReport> CheckAudit(const AuditCheck& check) = 0;
  /// PEM; empty: nothing is signed.
  virtual Result<std::string> AuditKey() = 0;
};

}  // namespace muster::registry
