#include "registry/sqlite/webhook_store.h"

#include <algorithm>

#include "registry/sqlite/schema.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

constexpr std::string_view kSelectWebhooks =
    "SELECT id, name, url, description, secret, events, active, creation_ms, last_updated_ms, "
    "format "
    "FROM webhooks ";

std::string JoinLines(std::vector<std::string> lines) {
  std::ranges::sort(lines);
  std::string joined;
  for (const std::string& line : lines) joined += (joined.empty() ? "" : "\n") + line;
  return joined;
}

std::vector<std::string> SplitLines(std::string_view joined) {
  std::vector<std::string> lines;
  while (!joined.empty()) {
    const auto end = std::min(joined.find('\n'), joined.size());
    lines.emplace_back(joined.substr(0, end));
    joined.remove_prefix(std::min(end + 1, joined.size()));
  }
  return lines;
}

Webhook ReadWebhook(const sqlite::Statement& row) {
  Webhook webhook;
  webhook.id = row.Text(0);
  webhook.name = row.Text(1);
  webhook.url = row.Text(2);
  webhook.description = row.Text(3);
  webhook.secret = row.Text(4);
  webhook.events = SplitLines(row.Text(5));
  webhook.active = row.Int(6) != 0;
  webhook.creation_ms = row.Int(7);
  webhook.last_updated_ms = row.Int(8);
  webhook.format = row.Text(9);
  return webhook;
}

Result<std::vector<Webhook>> ReadWebhooks(sqlite::Statement& select) {
  std::vector<Webhook> webhooks;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return webhooks;
    webhooks.push_back(ReadWebhook(select));
  }
}

}  // namespace

Result<std::unique_ptr<SqliteWebhookStore>> SqliteWebhookStore::Open(
    const std::filesystem::path& file, const Clock& clock) {
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(file));
  MUSTER_RETURN_IF_ERROR(database.Migrate(RegistryMigrations()));
  return std::unique_ptr<SqliteWebhookStore>(new SqliteWebhookStore(std::move(database), clock));
}

Result<Webhook> SqliteWebhookStore::Load(std::string_view id) {
  auto select = db_.Prepare(std::string(kSelectWebhooks) + "WHERE id = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(id).Step());
  if (!row) return WebhookNotFound(id);
  return ReadWebhook(select);
}

Result<Webhook> SqliteWebhookStore::Create(const Webhook& webhook) {
  const std::lock_guard lock(mutex_);
  const std::string id = RandomUuid();
  const UnixMillis now = clock_.UnixNow();
  MUSTER_RETURN_IF_ERROR(
      db_.Prepare("INSERT INTO webhooks (id, name, url, description, secret, events, active, "
                  "creation_ms, last_updated_ms, format) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .BindAll(id, webhook.name, webhook.url, webhook.description, webhook.secret,
                   JoinLines(webhook.events), webhook.active ? 1 : 0, now, now, webhook.format)
          .Run());
  return Load(id);
}

Result<Webhook> SqliteWebhookStore::Get(std::string_view id) {
  const std::lock_guard lock(mutex_);
  return Load(id);
}

Result<std::vector<Webhook>> SqliteWebhookStore::List(std::int64_t offset, std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  auto select =
      db_.Prepare(std::string(kSelectWebhooks) + "ORDER BY sequence DESC LIMIT ? OFFSET ?");
  select.BindAll(limit, offset);
  return ReadWebhooks(select);
}

Result<Webhook> SqliteWebhookStore::Update(std::string_view id, const WebhookUpdate& update) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(Webhook now, Load(id));
  now.name = update.name.value_or(now.name);
  now.url = update.url.value_or(now.url);
  now.description = update.description.value_or(now.description);
  now.secret = update.secret.value_or(now.secret);
  now.format = update.format.value_or(now.format);
  if (!update.events.empty()) now.events = update.events;
  now.active = update.active.value_or(now.active);
  MUSTER_RETURN_IF_ERROR(db_.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("UPDATE webhooks SET name = ?, url = ?, description = ?, secret = ?, events = "
                    "?, active = ?, last_updated_ms = ?, format = ? WHERE id = ?")
            .BindAll(now.name, now.url, now.description, now.secret, JoinLines(now.events),
                     now.active ? 1 : 0, clock_.UnixNow(), now.format, id)
            .Run());
    if (now.active) return Ok();
    return db_
        .Prepare(
            "DELETE FROM deliveries WHERE webhook = (SELECT sequence FROM webhooks WHERE id = ?)")
        .BindAll(id)
        .Run();
  }));
  return Load(id);
}

Status SqliteWebhookStore::Delete(std::string_view id) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM webhooks WHERE id = ?").BindAll(id).Run());
  if (db_.changes() == 0) return WebhookNotFound(id);
  return Ok();
}

Result<bool> SqliteWebhookStore::Insert(std::string_view webhook_id, const Notice& notice) {
  auto insert = db_.Prepare(
      "INSERT OR IGNORE INTO deliveries (webhook, source, id, kind, time_ms, payload) SELECT "
      "sequence, ?2, ?3, ?4, ?5, ?6 FROM webhooks w WHERE id = ?1 AND (SELECT count(*) FROM "
      "deliveries WHERE webhook = w.sequence) < ?7");
  insert.BindAll(webhook_id, notice.source, RandomUuid(), notice.kind, notice.time_ms,
                 notice.payload_json, kMostWaiting);
  MUSTER_RETURN_IF_ERROR(insert.Run());
  if (db_.changes() != 0) return true;
  auto known = db_.Prepare(
      "SELECT 1 FROM deliveries d JOIN webhooks w ON d.webhook = w.sequence WHERE w.id = ? AND "
      "d.source = ?");
  return known.BindAll(webhook_id, notice.source).Step();
}

Result<std::int64_t> SqliteWebhookStore::Enqueue(const Notice& notice) {
  const std::lock_guard lock(mutex_);
  std::vector<Webhook> asking;
  {
    auto select = db_.Prepare(std::string(kSelectWebhooks) + "WHERE active ORDER BY sequence");
    MUSTER_ASSIGN_OR_RETURN(asking, ReadWebhooks(select));
  }
  std::erase_if(asking, [&](const Webhook& webhook) {
    return std::ranges::find(webhook.events, notice.kind) == webhook.events.end();
  });
  std::int64_t dropped = 0;
  // No write lock for nobody: it would make the registry's changes wait.
  if (asking.empty()) return dropped;
  MUSTER_RETURN_IF_ERROR(db_.Transact([&]() -> Status {
    for (const Webhook& webhook : asking) {
      MUSTER_ASSIGN_OR_RETURN(const bool waits, Insert(webhook.id, notice));
      if (!waits) ++dropped;
    }
    return Ok();
  }));
  return dropped;
}

Status SqliteWebhookStore::EnqueueFor(std::string_view id, const Notice& notice) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Webhook webhook, Load(id));
  if (!webhook.active) return Ok();
  MUSTER_ASSIGN_OR_RETURN(const bool waits, Insert(id, notice));
  if (waits) return Ok();
  return ResourceExhausted("web hook '" + webhook.name + "' has " + std::to_string(kMostWaiting) +
                           " deliveries waiting; wanted fewer to add another");
}

Result<std::vector<Delivery>> SqliteWebhookStore::Heads() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(
      "SELECT d.sequence, d.id, w.id, w.url, w.secret, d.kind, d.payload, d.time_ms, d.tries, "
      "d.next_ms, w.format FROM webhooks w JOIN deliveries d ON d.sequence = (SELECT min(sequence) "
      "FROM "
      "deliveries WHERE webhook = w.sequence) ORDER BY d.sequence");
  std::vector<Delivery> heads;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return heads;
    Delivery head;
    head.sequence = select.Int(0);
    head.id = select.Text(1);
    head.webhook_id = select.Text(2);
    head.url = select.Text(3);
    head.secret = select.Text(4);
    head.kind = select.Text(5);
    head.payload_json = select.Text(6);
    head.time_ms = select.Int(7);
    head.tries = select.Int(8);
    head.next_ms = select.Int(9);
    head.format = select.Text(10);
    heads.push_back(std::move(head));
  }
}

Status SqliteWebhookStore::Retry(std::int64_t sequence, std::int64_t tries, std::int64_t next_ms) {
  const std::lock_guard lock(mutex_);
  return db_.Prepare("UPDATE deliveries SET tries = ?, next_ms = ? WHERE sequence = ?")
      .BindAll(tries, next_ms, sequence)
      .Run();
}

Status SqliteWebhookStore::Remove(std::int64_t sequence) {
  const std::lock_guard lock(mutex_);
  return db_.Prepare("DELETE FROM deliveries WHERE sequence = ?").BindAll(sequence).Run();
}

}  // namespace muster::registry
