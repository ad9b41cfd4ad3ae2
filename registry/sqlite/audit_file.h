#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "registry/audit_chain.h"
#include "runtime/sqlite/database.h"

/// The audit's rows, and the check of a whole audit in a database that a server may be writing to, or in a copy of one
/// of any schema version.

namespace muster::registry {

inline constexpr std::string_view kAuditColumns =
    "sequence, time_ms, actor, action, model, reason, version, detail, previous_hash, hash";
/// Of kAuditColumns and the signature.
AuditEntry ReadAuditEntry(const sqlite::Statement& row);

/// Reads `file` only, with a connection a thread. kNotFound; an audit that is not whole is no error but a finding.
Result<AuditReport> CheckAuditFile(const std::filesystem::path& file, const AuditCheck& check);
/// The same with one connection and one thread; as one transaction.
Result<AuditReport> CheckAuditOf(sqlite::Database& database, const AuditCheck& check);
/// All entries, oldest first; for exports.
Status ForEachAuditEntry(const std::filesystem::path& file,
                         const std::function<Status(const AuditEntry&)>& each);

}  // namespace muster::registry
