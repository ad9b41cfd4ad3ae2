#include "registry/sqlite/trigger_store.h"

#include "registry/sqlite/schema.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kSelectFirings =
    "SELECT trigger_name, scheduled_unix, fired_unix, kind, why, sweep, state, detail, decision, "
    "model, alias, dedup_key, champion, spec, since_unix, submitted_unix, ended_unix, "
    "trial_seconds, outcome, result_version, waits_for FROM firings ";
constexpr std::string_view kSelectTriggers =
    "SELECT name, sweep, spec, enabled, created_unix, secret FROM triggers ";

Result<Trigger> ReadTrigger(const sqlite::Statement& row) {
  Trigger trigger;
  trigger.name = row.Text(0);
  trigger.sweep_json = row.Text(1);
  MUSTER_ASSIGN_OR_RETURN(const auto spec, wire::ParseJson(row.Text(2)));
  MUSTER_ASSIGN_OR_RETURN(trigger.when, wire::RetrainSpecFromJson(spec));
  trigger.enabled = row.Int(3) != 0;
  trigger.created_unix = row.Int(4);
  trigger.secret = row.Text(5);
  return trigger;
}

Result<Firing> ReadFiring(const sqlite::Statement& row) {
  Firing firing;
  firing.trigger = row.Text(0);
  firing.scheduled_unix = row.Int(1);
  firing.fired_unix = row.Int(2);
  firing.kind = row.Text(3);
  firing.why = row.Text(4);
  firing.sweep = SweepId(std::string(row.Text(5)));
  firing.state = static_cast<FiringState>(row.Int(6));
  firing.detail = row.Text(7);
  firing.decision_json = row.Text(8);
  firing.model = row.Text(9);
  firing.alias = row.Text(10);
  firing.dedup_key = row.Text(11);
  firing.champion = row.Int(12);
  firing.spec_json = row.Text(13);
  firing.since_unix = row.Int(14);
  firing.submitted_unix = row.Int(15);
  firing.ended_unix = row.Int(16);
  firing.trial_seconds = row.Double(17);
  firing.outcome = row.Text(18);
  firing.version = row.Int(19);
  firing.waits_for = row.Text(20);
  return firing;
}

Result<Step> ReadStep(const sqlite::Statement& row) {
  return Step{row.Int(0), std::string(row.Text(1)), std::string(row.Text(2)),
              std::string(row.Text(3)), std::string(row.Text(4))};
}

/// All rows of `select`, each through `read`.
template <typename T>
Result<std::vector<T>> ReadAll(sqlite::Statement& select,
                               Result<T> (*read)(const sqlite::Statement&)) {
  std::vector<T> rows;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rows;
    MUSTER_ASSIGN_OR_RETURN(T value, read(select));
    rows.push_back(std::move(value));
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
  return db_
      .Prepare(
          "INSERT OR REPLACE INTO triggers (name, sweep, spec, enabled, created_unix, secret) "
          "VALUES (?, ?, ?, ?, ?, ?)")
      .BindAll(trigger.name, trigger.sweep_json, wire::SerializeJson(wire::ToJson(trigger.when)),
               trigger.enabled ? 1 : 0, trigger.created_unix, trigger.secret)
      .Run();
}

Result<Trigger> SqliteTriggerStore::Get(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectTriggers) + "WHERE name = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(name).Step());
  if (!row) return NotFound("no trigger '" + std::string(name) + "'");
  return ReadTrigger(select);
}

Result<std::vector<Trigger>> SqliteTriggerStore::List() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectTriggers) + "ORDER BY name");
  return ReadAll<Trigger>(select, ReadTrigger);
}

Status SqliteTriggerStore::Delete(std::string_view name) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM triggers WHERE name = ?").BindAll(name).Run());
  if (db_.changes() == 0) return NotFound("no trigger '" + std::string(name) + "'");
  return Ok();
}

Status SqliteTriggerStore::AddSteps(const SweepId& sweep, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT INTO steps (sweep, time_unix, what, seen, decided, why) "
                    "VALUES (?, ?, ?, ?, ?, ?)")
            .RunWith(sweep.value, step.time_unix, step.what, step.seen, step.decided, step.why));
  }
  return Ok();
}

Result<bool> SqliteTriggerStore::Claim(const Firing& firing, const std::vector<Step>& steps,
                                       const std::vector<std::string>& receipts) {
  const std::lock_guard lock(mutex_);
  bool claimed = false;
  MUSTER_RETURN_IF_ERROR(db_.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("INSERT OR IGNORE INTO firings (trigger_name, scheduled_unix, fired_unix, "
                    "kind, why, sweep, state, detail, decision, model, alias, dedup_key, "
                    "champion, since_unix) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .RunWith(firing.trigger, firing.scheduled_unix, firing.fired_unix, firing.kind,
                     firing.why, firing.sweep.value, static_cast<int>(firing.state), firing.detail,
                     firing.decision_json, firing.model, firing.alias, firing.dedup_key,
                     firing.champion, firing.since_unix));
    claimed = db_.changes() == 1;
    if (!claimed) return Ok();
    for (const std::string& receipt : receipts) {
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("INSERT INTO receipts VALUES (?, ?)").RunWith(firing.trigger, receipt));
    }
    return AddSteps(firing.sweep, steps);
  }));
  return claimed;
}

Status SqliteTriggerStore::Update(const Firing& firing, const std::vector<Step>& steps) {
  const std::lock_guard lock(mutex_);
  return db_.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("UPDATE firings SET state = ?, detail = ?, decision = ?, champion = ?, "
                    "spec = ?, since_unix = ?, submitted_unix = ?, ended_unix = ?, "
                    "trial_seconds = ?, outcome = ?, result_version = ?, waits_for = ? "
                    "WHERE trigger_name = ? AND scheduled_unix = ?")
            .RunWith(static_cast<int>(firing.state), firing.detail, firing.decision_json,
                     firing.champion, firing.spec_json, firing.since_unix, firing.submitted_unix,
                     firing.ended_unix, firing.trial_seconds, firing.outcome, firing.version,
                     firing.waits_for, firing.trigger, firing.scheduled_unix));
    return AddSteps(firing.sweep, steps);
  });
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

Result<std::vector<Firing>> SqliteTriggerStore::Open() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) +
                            "WHERE ended_unix = 0 ORDER BY scheduled_unix, trigger_name");
  return ReadAll<Firing>(select, ReadFiring);
}

Result<std::vector<Firing>> SqliteTriggerStore::Related(const Firing& firing,
                                                        std::int64_t since_unix) {
  const std::lock_guard lock(mutex_);
  // 2 and 5: refused and skipped.
  auto select = db_.Prepare(
      std::string(kSelectFirings) +
      "WHERE (trigger_name = ?1 OR (?2 <> '' AND model = ?2)) AND sweep <> ?3 AND state NOT IN "
      "(2, 5) AND (ended_unix = 0 OR ended_unix > ?4) "
      "ORDER BY scheduled_unix, trigger_name");
  select.BindAll(firing.trigger, firing.model, firing.sweep.value, since_unix);
  return ReadAll<Firing>(select, ReadFiring);
}

Result<Firing> SqliteTriggerStore::FindBySweep(const SweepId& sweep) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) + "WHERE sweep = ?");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(sweep.value).Step());
  if (!row) return NotFound("no trigger submitted sweep '" + sweep.value + "'");
  return ReadFiring(select);
}

Result<std::vector<Step>> SqliteTriggerStore::Steps(const SweepId& sweep) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(
      "SELECT time_unix, what, seen, decided, why FROM steps WHERE sweep = ? ORDER BY sequence");
  select.BindAll(sweep.value);
  return ReadAll<Step>(select, ReadStep);
}

Result<std::int64_t> SqliteTriggerStore::LastScheduled(std::string_view trigger) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(
      "SELECT scheduled_unix FROM firings WHERE trigger_name = ? AND kind = 'cron' "
      "ORDER BY scheduled_unix DESC LIMIT 1");
  MUSTER_ASSIGN_OR_RETURN(const bool row, select.BindAll(trigger).Step());
  return row ? select.Int(0) : 0;
}

Result<std::map<std::string, std::string>> SqliteTriggerStore::DataSeen(std::string_view trigger) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare("SELECT role, digest FROM data_seen WHERE trigger_name = ?");
  select.BindAll(trigger);
  std::map<std::string, std::string> seen;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return seen;
    seen.emplace(select.Text(0), select.Text(1));
  }
}

Status SqliteTriggerStore::SetDataSeen(std::string_view trigger, std::string_view role,
                                       std::string_view digest) {
  const std::lock_guard lock(mutex_);
  return db_.Prepare("INSERT OR REPLACE INTO data_seen VALUES (?, ?, ?)")
      .RunWith(trigger, role, digest);
}

}  // namespace muster::registry
