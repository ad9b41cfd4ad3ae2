#include "registry/sqlite/trigger_store.h"

#include "registry/sqlite/schema.h"

namespace muster::registry {
namespace {

constexpr std::string_view kSelectFirings =
    "SELECT trigger_name, scheduled_unix, fired_unix, manual, why, sweep, state, detail, decision "
    "FROM firings ";

Trigger ReadTrigger(const sqlite::Statement& row) {
  return {std::string(row.Text(0)), std::string(row.Text(1)), std::string(row.Text(2)),
          row.Int(3) != 0, row.Int(4)};
}

Firing ReadFiring(const sqlite::Statement& row) {
  Firing firing;
  firing.trigger = row.Text(0);
  firing.scheduled_unix = row.Int(1);
  firing.fired_unix = row.Int(2);
  firing.manual = row.Int(3) != 0;
  firing.why = row.Text(4);
  firing.sweep = SweepId(std::string(row.Text(5)));
  firing.state = static_cast<FiringState>(row.Int(6));
  firing.detail = row.Text(7);
  firing.decision_json = row.Text(8);
  return firing;
}

/// All rows of `select`, each through `read`.
template <typename T>
Result<std::vector<T>> ReadAll(sqlite::Statement& select, T (*read)(const sqlite::Statement&)) {
  std::vector<T> rows;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rows;
    rows.push_back(read(select));
  }
}

}  // namespace

Result<std::unique_ptr<SqliteTriggerStore>> SqliteTriggerStore::Open(
    const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(file));
  MUSTER_RETURN_IF_ERROR(database.Migrate(RegistryMigrations()));
  return std::unique_ptr<SqliteTriggerStore>(new SqliteTriggerStore(std::move(database)));
}

Status SqliteTriggerStore::Put(const Trigger& trigger) {
  const std::lock_guard lock(mutex_);
  return db_.Prepare("INSERT OR REPLACE INTO triggers VALUES (?, ?, ?, ?, ?)")
      .BindAll(trigger.name, trigger.sweep_json, trigger.cron, trigger.enabled ? 1 : 0,
               trigger.created_unix)
      .Run();
}

Result<Trigger> SqliteTriggerStore::Get(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare("SELECT * FROM triggers WHERE name = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(name).Step());
  if (!row) return NotFound("no trigger '" + std::string(name) + "'");
  return ReadTrigger(select);
}

Result<std::vector<Trigger>> SqliteTriggerStore::List() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare("SELECT * FROM triggers ORDER BY name");
  return ReadAll<Trigger>(select, ReadTrigger);
}

Status SqliteTriggerStore::Delete(std::string_view name) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM triggers WHERE name = ?").BindAll(name).Run());
  if (db_.changes() == 0) return NotFound("no trigger '" + std::string(name) + "'");
  return Ok();
}

Result<bool> SqliteTriggerStore::Claim(const Firing& firing) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(
      db_.Prepare("INSERT OR IGNORE INTO firings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .BindAll(firing.trigger, firing.scheduled_unix, firing.fired_unix, firing.manual ? 1 : 0,
                   firing.why, firing.sweep.value, static_cast<int>(firing.state), firing.detail,
                   firing.decision_json)
          .Run());
  return db_.changes() == 1;
}

Status SqliteTriggerStore::Update(const Firing& firing) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(
      db_.Prepare("UPDATE firings SET state = ?, detail = ?, decision = ? WHERE trigger_name = ? "
                  "AND scheduled_unix = ?")
          .BindAll(static_cast<int>(firing.state), firing.detail, firing.decision_json,
                   firing.trigger, firing.scheduled_unix)
          .Run());
  if (db_.changes() == 0) return NotFound("no firing of sweep '" + firing.sweep.value + "'");
  return Ok();
}

Result<std::vector<Firing>> SqliteTriggerStore::Firings(std::string_view trigger,
                                                        std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) +
                            "WHERE ?1 = '' OR trigger_name = ?1 ORDER BY scheduled_unix DESC, "
                            "trigger_name LIMIT ?2");
  select.BindAll(trigger, limit);
  return ReadAll<Firing>(select, ReadFiring);
}

Result<std::vector<Firing>> SqliteTriggerStore::Claimed() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) +
                            "WHERE state = 0 ORDER BY scheduled_unix, trigger_name");
  return ReadAll<Firing>(select, ReadFiring);
}

Result<Firing> SqliteTriggerStore::FindBySweep(const SweepId& sweep) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) + "WHERE sweep = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(sweep.value).Step());
  if (!row) return NotFound("no trigger submitted sweep '" + sweep.value + "'");
  return ReadFiring(select);
}

Result<std::int64_t> SqliteTriggerStore::LastScheduled(std::string_view trigger) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(
      "SELECT coalesce(max(scheduled_unix), 0) FROM firings WHERE trigger_name = ? AND manual = 0");
  MUSTER_RETURN_IF_ERROR(select.BindAll(trigger).Step());
  return select.Int(0);
}

}  // namespace muster::registry
