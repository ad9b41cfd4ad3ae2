#include "registry/sqlite/schema.h"

namespace muster::registry {

const std::vector<sqlite::Migration>& RegistryMigrations() {
  static const std::vector<sqlite::Migration> migrations = {R"sql(
CREATE TABLE models (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  creation_ms INTEGER NOT NULL,
  last_updated_ms INTEGER NOT NULL
);
-- Outlives the model, so that no number is given out twice.
CREATE TABLE version_counters (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE versions (
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  creation_ms INTEGER NOT NULL,
  last_updated_ms INTEGER NOT NULL,
  stage TEXT NOT NULL,
  description TEXT NOT NULL,
  source TEXT NOT NULL,
  run_id TEXT NOT NULL,
  run_link TEXT NOT NULL,
  model_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (model, version)
) WITHOUT ROWID;
-- version 0: of the model itself.
CREATE TABLE tags (
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, version, key)
) WITHOUT ROWID;
CREATE TABLE aliases (
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions (model, version)
) WITHOUT ROWID;
CREATE TABLE alias_history (
  sequence INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  previous INTEGER NOT NULL,
  move INTEGER NOT NULL,
  from_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX alias_history_model ON alias_history (model, sequence);
-- seen and wanted are NULL for NaN.
CREATE TABLE gates (
  sequence INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  gate TEXT NOT NULL,
  passed INTEGER NOT NULL,
  seen REAL,
  wanted REAL,
  detail TEXT NOT NULL
);
CREATE INDEX gates_version ON gates (model, version, sequence);
-- kind: 'version' (what number was made), 'promotion' (of what), 'audit' (its sequence in number).
CREATE TABLE requests (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  model TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  model TEXT NOT NULL,
  reason TEXT NOT NULL,
  version INTEGER NOT NULL,
  detail TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_model ON audit (model, sequence);
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
-- One row: how long the chain is and where it ends, so that a lost tail is seen.
CREATE TABLE audit_head (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  count INTEGER NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head VALUES (1, 0, '');
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  time_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL
);
CREATE TABLE triggers (
  name TEXT PRIMARY KEY,
  sweep TEXT NOT NULL,
  cron TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  created_unix INTEGER NOT NULL
) WITHOUT ROWID;
-- state: 0 claimed, 1 submitted, 2 refused, 3 decided. manual: asked for by a person.
CREATE TABLE firings (
  trigger_name TEXT NOT NULL,
  scheduled_unix INTEGER NOT NULL,
  fired_unix INTEGER NOT NULL,
  manual INTEGER NOT NULL,
  why TEXT NOT NULL,
  sweep TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  detail TEXT NOT NULL,
  decision TEXT NOT NULL,
  PRIMARY KEY (trigger_name, scheduled_unix)
) WITHOUT ROWID;
CREATE INDEX firings_claimed ON firings (scheduled_unix) WHERE state = 0;
)sql",
                                                            R"sql(
ALTER TABLE events ADD COLUMN payload TEXT NOT NULL DEFAULT '{}';
-- events: kinds, one a line.
CREATE TABLE webhooks (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  events TEXT NOT NULL,
  active INTEGER NOT NULL,
  creation_ms INTEGER NOT NULL,
  last_updated_ms INTEGER NOT NULL
);
-- What a web hook has still to be told, in order. source: what asked for it, once a web hook.
CREATE TABLE deliveries (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook INTEGER NOT NULL REFERENCES webhooks (sequence) ON DELETE CASCADE,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  payload TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  next_ms INTEGER NOT NULL DEFAULT 0,
  UNIQUE (webhook, source)
);
CREATE INDEX deliveries_webhook ON deliveries (webhook, sequence);
)sql",
                                                            R"sql(
-- Of hash; empty: written by a muster that had no key.
ALTER TABLE audit ADD COLUMN signature TEXT NOT NULL DEFAULT '';
-- The key of the entries since key_since, which tells of it; earlier ones were signed by others, or by none.
ALTER TABLE audit_head ADD COLUMN public_key TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_head ADD COLUMN key_since INTEGER NOT NULL DEFAULT 0;
-- audit: the sequence of the change's entry; 0: not kept.
ALTER TABLE alias_history ADD COLUMN audit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN audit INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alias_history_time ON alias_history (model, alias, from_ms, sequence);
-- Of a name, whether the model is there or not. policy: JSON.
CREATE TABLE policies (model TEXT PRIMARY KEY, policy TEXT NOT NULL) WITHOUT ROWID;
-- sha256: hexadecimal, of the token.
CREATE TABLE tokens (
  sha256 TEXT PRIMARY KEY,
  person TEXT NOT NULL,
  creation_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE approvals (
  sequence INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  person TEXT NOT NULL,
  approved INTEGER NOT NULL,
  reason TEXT NOT NULL,
  digest TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  audit INTEGER NOT NULL
);
CREATE INDEX approvals_version ON approvals (model, version, sequence);
-- Promotions that wait for approvals.
CREATE TABLE waiting (
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  expected INTEGER NOT NULL,
  approvals INTEGER NOT NULL,
  request TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (model, version, alias)
) WITHOUT ROWID;
-- How it is told: 'mlflow', 'cloudevents-structured', 'cloudevents-binary'.
ALTER TABLE webhooks ADD COLUMN format TEXT NOT NULL DEFAULT 'mlflow';
-- What a verdict has beside the columns, as JSON.
ALTER TABLE gates ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}';
-- The newest is in force; an empty text took it away.
CREATE TABLE gate_files (
  sequence INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  gates TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX gate_files_model ON gate_files (model, sequence);
)sql",
                                                            R"sql(
-- spec: wire::RetrainSpec as JSON. secret: of the web hook.
ALTER TABLE triggers ADD COLUMN spec TEXT NOT NULL DEFAULT '{}';
ALTER TABLE triggers ADD COLUMN secret TEXT NOT NULL DEFAULT '';
UPDATE triggers SET spec = json_object('cron', cron);
ALTER TABLE triggers DROP COLUMN cron;
-- state: also 4 held, 5 skipped, 6 waiting for approvals, 7 in canary. Times: 0, not yet. champion, version: 0, none.
ALTER TABLE firings ADD COLUMN kind TEXT NOT NULL DEFAULT 'cron';
ALTER TABLE firings ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE firings ADD COLUMN alias TEXT NOT NULL DEFAULT '';
ALTER TABLE firings ADD COLUMN dedup_key TEXT NOT NULL DEFAULT '';
ALTER TABLE firings ADD COLUMN champion INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN spec TEXT NOT NULL DEFAULT '';
ALTER TABLE firings ADD COLUMN since_unix INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN submitted_unix INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN ended_unix INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN trial_seconds REAL NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
ALTER TABLE firings ADD COLUMN result_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE firings ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
UPDATE firings SET kind = CASE manual WHEN 1 THEN 'manual' ELSE 'cron' END, since_unix = fired_unix,
  submitted_unix = CASE WHEN state IN (1, 3) THEN fired_unix ELSE 0 END,
  ended_unix = CASE WHEN state IN (2, 3) THEN fired_unix ELSE 0 END;
UPDATE firings SET model = coalesce(json_extract(t.sweep, '$.model.name'), ''),
  alias = coalesce(json_extract(t.sweep, '$.model.promote'), '') FROM triggers t WHERE t.name = trigger_name;
UPDATE firings SET outcome = CASE json_extract(decision, '$.promoted') WHEN 1 THEN 'promoted' ELSE 'gated' END,
  result_version = coalesce(json_extract(decision, '$.version'), 0) WHERE state = 3 AND json_valid(decision);
ALTER TABLE firings DROP COLUMN manual;
DROP INDEX firings_claimed;
CREATE INDEX firings_ended ON firings (ended_unix);
-- What was seen and decided about a firing, in order.
CREATE TABLE steps (
  sequence INTEGER PRIMARY KEY,
  sweep TEXT NOT NULL,
  time_unix INTEGER NOT NULL,
  what TEXT NOT NULL,
  seen TEXT NOT NULL,
  decided TEXT NOT NULL,
  why TEXT NOT NULL
);
CREATE INDEX steps_sweep ON steps (sweep, sequence);
-- What a trigger takes once only: ids and signatures of web hooks that came in.
CREATE TABLE receipts (
  trigger_name TEXT NOT NULL,
  receipt TEXT NOT NULL,
  PRIMARY KEY (trigger_name, receipt)
) WITHOUT ROWID;
CREATE TABLE data_seen (
  trigger_name TEXT NOT NULL,
  role TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (trigger_name, role)
) WITHOUT ROWID;
)sql"};
  return migrations;
}

}  // namespace muster::registry
