#include "registry/audit_chain.h"
#include "registry/model_rules.h"
#include "registry/sqlite/model_store.h"

// The audit's chain, and what else a change leaves behind: events and request ids.

namespace muster::registry {
namespace {

constexpr std::string_view kSelectAudit =
    "SELECT sequence, time_ms, actor, action, model, reason, version, detail, previous_hash, hash "
    "FROM audit ";

AuditEntry ReadEntry(const sqlite::Statement& row) {
  AuditEntry entry;
  entry.sequence = row.Int(0);
  entry.time_ms = row.Int(1);
  entry.actor = row.Text(2);
  entry.action = row.Text(3);
  entry.model = row.Text(4);
  entry.reason = row.Text(5);
  entry.version = row.Int(6);
  entry.detail_json = row.Text(7);
  entry.previous_hash = row.Text(8);
  entry.hash = row.Text(9);
  return entry;
}

}  // namespace

Status SqliteModelStore::Write(std::string_view action, std::string_view name, std::int64_t version,
                               std::string_view detail_json, const Actor& actor) {
  AuditEntry entry;
  {
    auto head = db_.Prepare("SELECT count, hash FROM audit_head");
    MUSTER_ASSIGN_OR_RETURN(const bool row, head.Step());
    if (!row) return Corrupt("audit_head is empty: somebody removed the end of the audit's chain");
    entry.sequence = head.Int(0) + 1;
    entry.previous_hash = head.Text(1);
  }
  entry.time_ms = clock_.UnixNow();
  entry.actor = actor.name;
  entry.action = action;
  entry.model = name;
  entry.reason = actor.reason;
  entry.version = version;
  entry.detail_json = detail_json;
  entry.hash = AuditHash(entry);
  MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                             .BindAll(entry.sequence, entry.time_ms, entry.actor, entry.action,
                                      entry.model, entry.reason, entry.version, entry.detail_json,
                                      entry.previous_hash, entry.hash)
                             .Run());
  return db_.Prepare("UPDATE audit_head SET count = ?, hash = ?")
      .BindAll(entry.sequence, entry.hash)
      .Run();
}

Result<std::vector<AuditEntry>> SqliteModelStore::Audit(std::string_view name, std::int64_t after,
                                                        std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectAudit) +
                            (name.empty() ? "WHERE ?1 = '' " : "WHERE model = ?1 ") +
                            "AND sequence > ?2 ORDER BY sequence LIMIT ?3");
  select.BindAll(name, after, limit);
  std::vector<AuditEntry> entries;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return entries;
    entries.push_back(ReadEntry(select));
  }
}

Status SqliteModelStore::VerifyAudit() {
  const std::lock_guard lock(mutex_);
  AuditVerifier verifier;
  {
    auto select = db_.Prepare(std::string(kSelectAudit) + "ORDER BY sequence");
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) break;
      MUSTER_RETURN_IF_ERROR(verifier.Add(ReadEntry(select)));
    }
  }
  auto head = db_.Prepare("SELECT count, hash FROM audit_head");
  MUSTER_ASSIGN_OR_RETURN(const bool row, head.Step());
  if (row && head.Int(0) == verifier.count() && head.Text(1) == verifier.head()) return Ok();
  return Corrupt("audit entry " + std::to_string(verifier.count() + 1) +
                 " is missing: the chain ends after " + std::to_string(verifier.count()) +
                 " entries; wanted " + (row ? std::to_string(head.Int(0)) : "its recorded end"));
}

Status SqliteModelStore::AppendAudit(std::string_view action, std::string_view name,
                                     std::int64_t version, std::string_view detail_json,
                                     const Actor& actor, std::string_view request_id) {
  MUSTER_ASSIGN_OR_RETURN(const std::string detail, CanonicalJson(detail_json));
  return Change([&]() -> Status {
    MUSTER_ASSIGN_OR_RETURN(const auto before, FindRequest("audit", request_id));
    if (before) return Ok();
    MUSTER_RETURN_IF_ERROR(Write(action, name, version, detail, actor));
    return RememberRequest("audit", request_id, name, db_.last_insert_id());
  });
}

Result<AuditEntry> SqliteModelStore::FindAuditByRequest(std::string_view request_id) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const auto found, FindRequest("audit", request_id));
  if (!found) return NoSuchRequest(request_id);
  auto select = db_.Prepare(std::string(kSelectAudit) + "WHERE sequence = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(found->number).Step());
  if (!row) return Corrupt("audit entry " + std::to_string(found->number) + " is missing");
  return ReadEntry(select);
}

Result<std::optional<SqliteModelStore::Request>> SqliteModelStore::FindRequest(
    std::string_view kind, std::string_view id) {
  if (id.empty()) return std::optional<Request>();
  auto select = db_.Prepare("SELECT model, number FROM requests WHERE kind = ? AND id = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(kind, id).Step());
  if (!row) return std::optional<Request>();
  return std::optional<Request>({std::string(select.Text(0)), select.Int(1)});
}

Status SqliteModelStore::RememberRequest(std::string_view kind, std::string_view id,
                                         std::string_view model, std::int64_t number) {
  if (id.empty()) return Ok();
  return db_.Prepare("INSERT INTO requests VALUES (?, ?, ?, ?)")
      .BindAll(kind, id, model, number)
      .Run();
}

Result<bool> SqliteModelStore::OfPrompt(std::int64_t model) {
  MUSTER_ASSIGN_OR_RETURN(const auto tags, LoadTags(model, 0));
  return IsPrompt(tags);
}

Status SqliteModelStore::Tell(const EventText& text, std::string_view name, std::int64_t version,
                              std::string_view alias) {
  if (text.kind.empty()) return Ok();
  if (event_observer_) event_observer_();
  return db_
      .Prepare(
          "INSERT INTO events (time_ms, kind, model, alias, version, payload) VALUES "
          "(?, ?, ?, ?, ?, ?)")
      .BindAll(clock_.UnixNow(), text.kind, name, alias, version, text.payload_json)
      .Run();
}

Result<std::vector<RegistryEvent>> SqliteModelStore::PendingEvents(std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(
      "SELECT sequence, time_ms, kind, model, alias, version, payload FROM events ORDER BY "
      "sequence LIMIT ?");
  select.BindAll(limit);
  std::vector<RegistryEvent> events;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return events;
    events.push_back({select.Int(0), select.Int(1), std::string(select.Text(2)),
                      std::string(select.Text(3)), std::string(select.Text(4)), select.Int(5),
                      std::string(select.Text(6))});
  }
}

Status SqliteModelStore::AcknowledgeEvents(std::int64_t sequence) {
  return Change([&]() -> Status {
    return db_.Prepare("DELETE FROM events WHERE sequence <= ?").BindAll(sequence).Run();
  });
}

}  // namespace muster::registry
