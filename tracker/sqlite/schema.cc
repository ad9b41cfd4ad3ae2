#include "tracker/sqlite/schema.h"

#include "tracker/sqlite/move_points.h"
#include "tracker/sqlite/series_summary.h"

namespace muster::tracker {

namespace {

// A series is one key of one run; its row carries the latest visible point, so that a search never reads
// points. NaN cannot stand in a key or in a NOT NULL column, so it is (value 0, nan 1).
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE experiments(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  artifact_location TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  creation_time_ms INTEGER NOT NULL,
  last_update_time_ms INTEGER NOT NULL
);
CREATE TABLE experiment_tags(
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(experiment, key)
) WITHOUT ROWID;
CREATE TABLE runs(
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  start_time_ms INTEGER NOT NULL,
  end_time_ms INTEGER,
  artifact_uri TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_newest ON runs(experiment, deleted, start_time_ms DESC, run_id);
CREATE TABLE params(
  run INTEGER NOT NULL REFERENCES runs(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE TABLE tags(
  run INTEGER NOT NULL REFERENCES runs(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(run, key)
) WITHOUT ROWID;
CREATE TABLE series(
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  key TEXT NOT NULL,
  latest_ts INTEGER,
  latest_step INTEGER,
  latest_value REAL,
  latest_nan INTEGER,
  latest_attempt INTEGER,
  UNIQUE(run, key)
);
CREATE TABLE points(
  series INTEGER NOT NULL,
  ts INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  nan INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  PRIMARY KEY(series, ts, step, value, nan)
) WITHOUT ROWID;
CREATE TABLE resumes(
  run INTEGER NOT NULL REFERENCES runs(id),
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY(run, attempt)
) WITHOUT ROWID;
CREATE TABLE datasets(
  id INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema TEXT NOT NULL,
  profile TEXT NOT NULL,
  UNIQUE(experiment, name, digest)
);
CREATE TABLE dataset_inputs(
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  dataset INTEGER NOT NULL REFERENCES datasets(id),
  UNIQUE(run, dataset)
);
CREATE TABLE input_tags(
  input INTEGER NOT NULL REFERENCES dataset_inputs(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(input, key)
) WITHOUT ROWID;
CREATE TABLE model_inputs(
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  model_id TEXT NOT NULL,
  UNIQUE(run, model_id)
);
CREATE TABLE model_outputs(
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  model_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  UNIQUE(run, model_id)
);
CREATE TABLE logged_models(
  id INTEGER PRIMARY KEY,
  model_id TEXT NOT NULL UNIQUE,
  experiment INTEGER NOT NULL REFERENCES experiments(id),
  name TEXT NOT NULL,
  artifact_uri TEXT NOT NULL,
  model_type TEXT NOT NULL,
  source_run_id TEXT NOT NULL,
  status TEXT NOT NULL,
  creation_ms INTEGER NOT NULL,
  last_updated_ms INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX logged_models_newest ON logged_models(experiment, deleted, creation_ms DESC, model_id);
CREATE TABLE logged_model_tags(
  model INTEGER NOT NULL REFERENCES logged_models(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;
CREATE TABLE logged_model_params(
  model INTEGER NOT NULL REFERENCES logged_models(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model, key)
) WITHOUT ROWID;
CREATE TABLE logged_model_metrics(
  model INTEGER NOT NULL REFERENCES logged_models(id),
  key TEXT NOT NULL,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  run_id TEXT NOT NULL,
  ts INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  nan INTEGER NOT NULL,
  PRIMARY KEY(model, key, dataset_name, dataset_digest, run_id)
) WITHOUT ROWID;
)sql";

// Points leave the table of rows for chunks in history order and a tail of what is new (tracker/series), which
// MovePoints fills. A series has its run's experiment, so that the best of an experiment are neighbours in
// series_by_value; `rank` is -1 for what MLflow sees. A logged model keeps each of its points.
constexpr std::string_view kVersion2 = R"sql(
CREATE TABLE new_series(
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id),
  experiment INTEGER NOT NULL,
  key TEXT NOT NULL,
  rank INTEGER NOT NULL DEFAULT -1,
  latest_ts INTEGER,
  latest_step INTEGER,
  latest_value REAL,
  latest_nan INTEGER,
  latest_attempt INTEGER,
  UNIQUE(run, key, rank)
);
INSERT INTO new_series(id, run, experiment, key, latest_ts, latest_step, latest_value, latest_nan, latest_attempt)
  SELECT s.id, s.run, r.experiment, s.key, s.latest_ts, s.latest_step, s.latest_value, s.latest_nan, s.latest_attempt
  FROM series s JOIN runs r ON r.id = s.run;
DROP TABLE series;
ALTER TABLE new_series RENAME TO series;
CREATE INDEX series_by_value ON series(experiment, key, latest_nan, latest_value);
CREATE INDEX params_by_value ON params(key, value, run);
CREATE INDEX tags_by_value ON tags(key, value, run);
CREATE TABLE tail(
  series INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  points BLOB NOT NULL,
  PRIMARY KEY(series, seq)
) WITHOUT ROWID;
CREATE TABLE chunks(
  id INTEGER PRIMARY KEY,
  series INTEGER NOT NULL,
  first_ts INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  first_value REAL NOT NULL,
  first_nan INTEGER NOT NULL,
  points INTEGER NOT NULL,
  max_step INTEGER NOT NULL,
  min_attempt INTEGER NOT NULL,
  by_step INTEGER NOT NULL,
  buckets BLOB NOT NULL,
  data BLOB NOT NULL
);
CREATE UNIQUE INDEX chunks_in_order ON chunks(series, first_ts, first_step, first_value, first_nan);
CREATE TABLE new_metrics(
  model INTEGER NOT NULL REFERENCES logged_models(id),
  key TEXT NOT NULL,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  run_id TEXT NOT NULL,
  ts INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  nan INTEGER NOT NULL,
  PRIMARY KEY(model, key, dataset_name, dataset_digest, run_id, ts, step, value, nan)
) WITHOUT ROWID;
INSERT INTO new_metrics SELECT * FROM logged_model_metrics;
DROP TABLE logged_model_metrics;
ALTER TABLE new_metrics RENAME TO logged_model_metrics;
)sql";

constexpr std::string_view kVersion4 = "DROP TABLE points;";

// A sample of a history reads from the index alone which rows of which chunks it wants.
constexpr std::string_view kVersion5 = R"sql(
DROP INDEX chunks_in_order;
CREATE INDEX chunks_in_order ON chunks(series, first_ts, first_step, first_value, first_nan, points, max_step, by_step);
)sql";

// Where ranks run. What MLflow searches holds no series of ranks: a run may have hundreds of each key.
constexpr std::string_view kVersion6 = R"sql(
CREATE TABLE ranks(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  rank INTEGER NOT NULL,
  node TEXT NOT NULL DEFAULT '',
  gpu INTEGER NOT NULL DEFAULT -1,
  PRIMARY KEY(run, rank)
) WITHOUT ROWID;
DROP INDEX series_by_value;
CREATE INDEX series_by_value ON series(experiment, key, latest_nan, latest_value) WHERE rank = -1;
)sql";

// What a metric was over its whole history (SummarizeAll).
constexpr std::string_view kVersion7 = R"sql(
ALTER TABLE series ADD COLUMN min_value REAL;
ALTER TABLE series ADD COLUMN max_value REAL;
)sql";

// When a thing was deleted (NULL: it is not); what an older muster deleted counts from the upgrade on. `deleted` is 1,
// or 2 for what is erased, whose rows are still being removed: no read finds it, and its id is not its own any more.
constexpr std::string_view kVersion9 = R"sql(
ALTER TABLE experiments ADD COLUMN deleted_ms INTEGER;
ALTER TABLE runs ADD COLUMN deleted_ms INTEGER;
ALTER TABLE logged_models ADD COLUMN deleted_ms INTEGER;
UPDATE experiments SET deleted_ms = unixepoch('now') * 1000 WHERE deleted = 1;
UPDATE runs SET deleted_ms = unixepoch('now') * 1000 WHERE deleted = 1;
UPDATE logged_models SET deleted_ms = unixepoch('now') * 1000 WHERE deleted = 1;
CREATE INDEX runs_erased ON runs(id) WHERE deleted = 2;
CREATE INDEX logged_models_erased ON logged_models(id) WHERE deleted = 2;
CREATE INDEX runs_by_root ON runs(artifact_uri);
CREATE INDEX logged_models_by_root ON logged_models(artifact_uri);
CREATE INDEX inputs_of_dataset ON dataset_inputs(dataset);
CREATE TABLE erased_experiments(id INTEGER PRIMARY KEY);
CREATE TABLE erased_roots(artifact_uri TEXT PRIMARY KEY) WITHOUT ROWID;
)sql";

}  // namespace

const std::vector<sqlite::Migration>& TrackerMigrations() {
  static const std::vector<sqlite::Migration> migrations = {kVersion1, kVersion2,    MovePoints,
                                                            kVersion4, kVersion5,    kVersion6,
                                                            kVersion7, SummarizeAll, kVersion9};
  return migrations;
}

}  // namespace muster::tracker
