#pragma once

#include <vector>

#include "runtime/sqlite/database.h"

namespace muster::journal {

/// One script a version; a released one is never edited.
inline const std::vector<sqlite::Migration>& Migrations() {
  static const std::vector<sqlite::Migration> kMigrations = {
      R"(
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  unix_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  json TEXT NOT NULL
);
CREATE TABLE sweeps (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  spec TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  promotion TEXT,
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE trials (
  id TEXT PRIMARY KEY,
  sweep TEXT NOT NULL REFERENCES sweeps(id),
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  run TEXT NOT NULL UNIQUE,
  params TEXT NOT NULL,
  value REAL,
  message TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  UNIQUE (sweep, number)
) WITHOUT ROWID;
CREATE TABLE attempts (
  epoch INTEGER PRIMARY KEY,
  trial TEXT NOT NULL REFERENCES trials(id),
  node TEXT NOT NULL,
  state TEXT NOT NULL,
  cause TEXT,
  message TEXT NOT NULL DEFAULT '',
  records_end INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER
);
CREATE INDEX attempts_of_trial ON attempts(trial);
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  command TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  result TEXT
) WITHOUT ROWID;
)",
      // The parts of a gang that spreads over several nodes; one on a single node is its attempt's row alone.
      R"(
CREATE TABLE members (
  epoch INTEGER NOT NULL REFERENCES attempts(epoch),
  node TEXT NOT NULL,
  first_rank INTEGER NOT NULL,
  ranks INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (epoch, node)
) WITHOUT ROWID;
)",
      // What a sweep is and what a command says stood in their events as well.
      R"(
ALTER TABLE sweeps DROP COLUMN spec;
ALTER TABLE outbox ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN run TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN sweep TEXT NOT NULL DEFAULT ''; -- of promote_model
UPDATE outbox SET type=json_extract(command, '$.type'), run=json_extract(command, '$.run'),
  sweep=CASE json_extract(command, '$.type') WHEN 'promote_model'
        THEN json_extract(command, '$.sweep') ELSE '' END;
ALTER TABLE outbox DROP COLUMN command;
)",
      // What every trial paid for and nobody read: indices beside the ids, how much of a spool was read, commands
      // that are done.
      R"(
CREATE TABLE lean_trials (
  id TEXT PRIMARY KEY, -- sweep/number
  sweep TEXT NOT NULL REFERENCES sweeps(id),
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  run TEXT NOT NULL,
  params TEXT NOT NULL,
  value REAL,
  message TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER
) WITHOUT ROWID;
INSERT INTO lean_trials SELECT * FROM trials;
DROP INDEX attempts_of_trial;
CREATE TABLE lean_attempts (
  epoch INTEGER PRIMARY KEY,
  trial TEXT NOT NULL,
  node TEXT NOT NULL,
  state TEXT NOT NULL,
  cause TEXT,
  message TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER
);
INSERT INTO lean_attempts SELECT epoch, trial, node, state, cause, message, created_ms, started_ms,
  ended_ms FROM attempts;
CREATE TABLE lean_members (
  epoch INTEGER NOT NULL,
  node TEXT NOT NULL,
  first_rank INTEGER NOT NULL,
  ranks INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (epoch, node)
) WITHOUT ROWID;
INSERT INTO lean_members SELECT * FROM members;
DROP TABLE members;
DROP TABLE attempts;
DROP TABLE trials;
ALTER TABLE lean_trials RENAME TO trials;
ALTER TABLE lean_attempts RENAME TO attempts;
ALTER TABLE lean_members RENAME TO members;
DELETE FROM outbox WHERE done;
ALTER TABLE outbox DROP COLUMN done;
ALTER TABLE outbox DROP COLUMN error;
ALTER TABLE outbox DROP COLUMN result;
)",
  };
  return kMigrations;
}

}  // namespace muster::journal
