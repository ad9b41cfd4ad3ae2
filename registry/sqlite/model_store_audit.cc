#include "registry/audit_chain.h"
#include "registry/change_detail.h"
#include "registry/model_rules.h"
#include "registry/sqlite/audit_file.h"
#include "registry/sqlite/model_store.h"

// The audit's chain, and what else a change leaves behind: events and request ids.

namespace muster::registry {
namespace {

/// Of kAuditColumns and the signature.
std::string SelectAudit(std::string_view where) {
  return "SELECT " + std::string(kAuditColumns) + ", signature FROM audit " + std::string(where);
}

}  // namespace

/// The first entry of a key tells of it.
Status SqliteModelStore::StartKey() {
  if (!key_) return Ok();
  const std::string pem = key_->public_key().Pem();
  {
    auto known = db_.Prepare("SELECT 1 FROM audit_head WHERE public_key = ?");
    MUSTER_ASSIGN_OR_RETURN(const bool row, known.BindAll(pem).Step());
    if (row) return Ok();
  }
  MUSTER_RETURN_IF_ERROR(Write("audit.key", "", 0, DetailOfText("public_key", pem),
                               {"muster", "entries are signed with this key from here on"}));
  return db_.Prepare("UPDATE audit_head SET public_key = ?, key_since = ?")
      .BindAll(pem, db_.last_insert_id())
      .Run();
}

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
  if (key_) entry.signature = key_->Sign(entry.hash);
  MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                             .BindAll(entry.sequence, entry.time_ms, entry.actor, entry.action,
                                      entry.model, entry.reason, entry.version, entry.detail_json,
                                      entry.previous_hash, entry.hash, entry.signature)
                             .Run());
  return db_.Prepare("UPDATE audit_head SET count = ?, hash = ?")
      .BindAll(entry.sequence, entry.hash)
      .Run();
}

Result<std::vector<AuditEntry>> SqliteModelStore::Audit(std::string_view name, std::int64_t after,
                                                        std::int64_t limit) {
  const auto lock = Reading();
  auto select = db_.Prepare(SelectAudit(
      (name.empty() ? std::string("WHERE ?1 = '' ") : std::string("WHERE model = ?1 ")) +
      "AND sequence > ?2 ORDER BY sequence LIMIT ?3"));
  select.BindAll(name, after, limit);
  std::vector<AuditEntry> entries;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return entries;
    entries.push_back(ReadAuditEntry(select));
  }
}

Status SqliteModelStore::VerifyAudit() {
  MUSTER_ASSIGN_OR_RETURN(const AuditReport report, CheckAudit({}));
  return report.finding.empty() ? Ok() : Status(Corrupt(report.finding));
}

Result<AuditReport> SqliteModelStore::CheckAudit(const AuditCheck& check) {
  AuditCheck with = check;
  if (key_ && !with.key) with.key = key_->public_key();
  {
    const auto lock = Reading();
    if (file_ == ":memory:") return CheckAuditOf(db_, with);
  }
  return CheckAuditFile(file_, with);
}

Result<std::string> SqliteModelStore::AuditKey() {
  return key_ ? key_->public_key().Pem() : std::string();
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
  const auto lock = Reading();
  MUSTER_ASSIGN_OR_RETURN(const auto found, FindRequest("audit", request_id));
  if (!found) return NoSuchRequest(request_id);
  auto select = db_.Prepare(SelectAudit("WHERE sequence = ?"));
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(found->number).Step());
  if (!row) return Corrupt("audit entry " + std::to_string(found->number) + " is missing");
  return ReadAuditEntry(select);
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
  const auto lock = Reading();
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
