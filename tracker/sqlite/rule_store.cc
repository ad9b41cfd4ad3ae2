#include "tracker/sqlite/rule_store.h"

namespace muster::tracker {
namespace {

const std::vector<sqlite::Migration>& Migrations() {
  static const std::vector<sqlite::Migration> migrations = {R"sql(
CREATE TABLE rules (name TEXT PRIMARY KEY, rule TEXT NOT NULL) WITHOUT ROWID;
-- current: of the rule as it stands now.
CREATE TABLE firings (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  rule TEXT NOT NULL,
  run TEXT NOT NULL,
  metric TEXT NOT NULL,
  finding TEXT NOT NULL,
  current INTEGER NOT NULL DEFAULT 1,
  settled INTEGER NOT NULL DEFAULT 0,
  outcome TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX firings_once ON firings (rule, run, metric) WHERE current = 1;
CREATE INDEX firings_unsettled ON firings (sequence) WHERE settled = 0;
)sql"};
  return migrations;
}

constexpr std::string_view kSelectFirings =
    "SELECT sequence, finding, settled, outcome FROM firings ";

Result<std::vector<RuleFiring>> ReadFirings(sqlite::Statement& select) {
  std::vector<RuleFiring> firings;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return firings;
    MUSTER_ASSIGN_OR_RETURN(auto finding, DecodeFinding(select.Text(1)));
    firings.push_back(
        {select.Int(0), std::move(finding), select.Int(2) != 0, std::string(select.Text(3))});
  }
}

}  // namespace

Result<std::unique_ptr<SqliteRuleStore>> SqliteRuleStore::Open(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(auto database, sqlite::Database::Open(file));
  MUSTER_RETURN_IF_ERROR(database.Migrate(Migrations()));
  return std::unique_ptr<SqliteRuleStore>(new SqliteRuleStore(std::move(database)));
}

Status SqliteRuleStore::FindAnew(std::string_view rule) {
  return db_.Prepare("UPDATE firings SET current = 0 WHERE rule = ? AND current = 1")
      .BindAll(rule)
      .Run();
}

Status SqliteRuleStore::Put(const Rule& rule) {
  MUSTER_RETURN_IF_ERROR(CheckRule(rule));
  const std::lock_guard lock(mutex_);
  return db_.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(FindAnew(rule.name));
    return db_.Prepare("INSERT OR REPLACE INTO rules VALUES (?, ?)")
        .BindAll(rule.name, EncodeRule(rule))
        .Run();
  });
}

Status SqliteRuleStore::Delete(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return db_.Transact([&]() -> Status {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("DELETE FROM rules WHERE name = ?").BindAll(name).Run());
    if (db_.changes() == 0) return NotFound("no rule '" + std::string(name) + "'");
    return FindAnew(name);
  });
}

Result<std::vector<Rule>> SqliteRuleStore::List() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare("SELECT rule FROM rules ORDER BY name");
  std::vector<Rule> rules;
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return rules;
    MUSTER_ASSIGN_OR_RETURN(Rule rule, DecodeRule(select.Text(0)));
    rules.push_back(std::move(rule));
  }
}

Result<std::optional<std::int64_t>> SqliteRuleStore::Claim(const Finding& finding) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(
      db_.Prepare(
             "INSERT INTO firings (rule, run, metric, finding) VALUES (?, ?, ?, ?) ON CONFLICT "
             "DO NOTHING")
          .BindAll(finding.rule, finding.run.value, finding.metric, EncodeFinding(finding))
          .Run());
  if (db_.changes() == 0) return std::optional<std::int64_t>();
  return std::optional(db_.last_insert_id());
}

Status SqliteRuleStore::Settle(std::int64_t sequence, std::string_view outcome) {
  const std::lock_guard lock(mutex_);
  return db_.Prepare("UPDATE firings SET settled = 1, outcome = ? WHERE sequence = ?")
      .BindAll(outcome, sequence)
      .Run();
}

Result<std::vector<RuleFiring>> SqliteRuleStore::Unsettled() {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) + "WHERE settled = 0 ORDER BY sequence");
  return ReadFirings(select);
}

Result<std::vector<RuleFiring>> SqliteRuleStore::Firings(std::string_view rule,
                                                         std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = db_.Prepare(std::string(kSelectFirings) +
                            "WHERE ?1 = '' OR rule = ?1 ORDER BY sequence DESC LIMIT ?2");
  select.BindAll(rule, limit);
  return ReadFirings(select);
}

}  // namespace muster::tracker
