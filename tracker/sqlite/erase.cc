#include "tracker/sqlite/erase.h"

#include <array>

#include "tracker/run_rules.h"
#include "tracker/series/chunk_codec.h"
#include "tracker/sqlite/chunks.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

/// Rows of a run or a logged model: `key` is what tells those of one owner apart.
struct Below {
  std::string_view table, owner, key;
};
constexpr std::array kBelowRun = {
    Below{"params", "run", "key"},      Below{"tags", "run", "key"},
    Below{"resumes", "run", "attempt"}, Below{"ranks", "run", "rank"},
    Below{"model_inputs", "run", "id"}, Below{"model_outputs", "run", "id"}};
constexpr std::array kBelowModel = {
    Below{"logged_model_tags", "model", "key"}, Below{"logged_model_params", "model", "key"},
    Below{"logged_model_metrics", "model",
          "key, dataset_name, dataset_digest, run_id, ts, step, value, nan"}};

/// Removes what is erased, until the step is full.
class RowEraser {
 public:
  RowEraser(Database& db, OpenSeriesCache& cache) : db_(db), cache_(cache) {}

  Result<ErasedRows> Run() {
    MUSTER_RETURN_IF_ERROR(EraseAll("runs", [this](std::int64_t run) { return EraseRun(run); }));
    MUSTER_RETURN_IF_ERROR(EraseAll(
        "logged_models", [this](std::int64_t model) { return EraseBelow(model, kBelowModel); }));
    erased_.more = full();
    return erased_;
  }

 private:
  [[nodiscard]] bool full() const { return room_ <= 0; }
  void Count(std::int64_t rows) {
    erased_.rows += rows;
    room_ -= rows;
  }

  /// One thing after the other, each last its own row.
  template <typename EraseOne>
  Status EraseAll(const std::string& table, EraseOne erase_one) {
    while (!full()) {
      std::int64_t row = 0;
      {
        Statement next = db_.Prepare("SELECT id FROM " + table + " WHERE deleted = 2 LIMIT 1");
        MUSTER_ASSIGN_OR_RETURN(const bool found, next.Step());
        if (!found) return Ok();
        row = next.Int(0);
      }
      MUSTER_RETURN_IF_ERROR(erase_one(row));
      if (full()) return Ok();
      MUSTER_RETURN_IF_ERROR(RunFor("DELETE FROM " + table + " WHERE id = ?", row));
    }
    return Ok();
  }

  Status EraseRun(std::int64_t run) {
    MUSTER_RETURN_IF_ERROR(EraseChunks(run));
    if (!full()) MUSTER_RETURN_IF_ERROR(EraseTails(run));
    if (!full()) MUSTER_RETURN_IF_ERROR(EraseSeries(run));
    if (!full()) MUSTER_RETURN_IF_ERROR(EraseInputs(run));
    return EraseBelow(run, kBelowRun);
  }

  /// With a series' row goes the last that names its points, so they go first.
  Status EraseChunks(std::int64_t run) {
    constexpr std::int64_t kPage = 4'096;
    std::vector<std::int64_t> ids;
    {
      Statement rows = db_.Prepare(
          "SELECT c.id, c.points, length(c.data) + length(c.buckets) FROM series s JOIN chunks c "
          "ON "
          "c.series = s.id WHERE s.run = ? LIMIT ?");
      rows.BindAll(run, room_);
      while (!full()) {
        MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
        if (!row) break;
        ids.push_back(rows.Int(0));
        erased_.points += rows.Int(1);
        room_ -= rows.Int(2) / kPage;
        Count(1);
      }
    }
    for (const std::int64_t id : ids) MUSTER_RETURN_IF_ERROR(DropChunk(db_, id));
    return Ok();
  }

  Status EraseTails(std::int64_t run) {
    std::vector<std::pair<std::int64_t, std::int64_t>> keys;
    {
      Statement rows = db_.Prepare(
          "SELECT t.series, t.seq, t.points FROM series s JOIN tail t ON t.series = s.id WHERE "
          "s.run = ? LIMIT ?");
      rows.BindAll(run, room_);
      MUSTER_RETURN_IF_ERROR(ForEachRow(rows, [&](const Statement& row) {
        keys.emplace_back(row.Int(0), row.Int(1));
        std::vector<Point> points;
        // A torn one goes like the others; it has no points to count.
        if (DecodeChunk(row.Text(2), points).ok()) erased_.points += std::ssize(points);
      }));
    }
    for (const auto& [series, seq] : keys) {
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("DELETE FROM tail WHERE series = ? AND seq = ?").BindAll(series, seq).Run());
    }
    Count(std::ssize(keys));
    return Ok();
  }

  /// Row ids are used again: what the writer remembers of a series would be taken for another's.
  Status EraseSeries(std::int64_t run) {
    std::vector<std::int64_t> ids;
    {
      Statement rows = db_.Prepare("SELECT id, key, rank FROM series WHERE run = ? LIMIT ?");
      rows.BindAll(run, room_);
      MUSTER_RETURN_IF_ERROR(ForEachRow(rows, [&](const Statement& row) {
        ids.push_back(row.Int(0));
        cache_.Forget(run, {row.Text(1), static_cast<int>(row.Int(2))});
      }));
    }
    for (const std::int64_t id : ids) {
      MUSTER_RETURN_IF_ERROR(RunFor("DELETE FROM series WHERE id = ?", id));
    }
    return Ok();
  }

  /// A dataset goes with the last run that used it.
  Status EraseInputs(std::int64_t run) {
    std::vector<std::pair<std::int64_t, std::int64_t>> inputs;
    {
      Statement rows = db_.Prepare("SELECT id, dataset FROM dataset_inputs WHERE run = ? LIMIT ?");
      rows.BindAll(run, room_);
      MUSTER_RETURN_IF_ERROR(ForEachRow(
          rows, [&](const Statement& row) { inputs.emplace_back(row.Int(0), row.Int(1)); }));
    }
    for (const auto& [input, dataset] : inputs) {
      MUSTER_RETURN_IF_ERROR(RunFor("DELETE FROM input_tags WHERE input = ?", input));
      MUSTER_RETURN_IF_ERROR(RunFor("DELETE FROM dataset_inputs WHERE id = ?", input));
      MUSTER_RETURN_IF_ERROR(
          RunFor("DELETE FROM datasets WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM dataset_inputs "
                 "WHERE dataset = ?1)",
                 dataset));
    }
    return Ok();
  }

  template <std::size_t count>
  Status EraseBelow(std::int64_t owner, const std::array<Below, count>& tables) {
    for (const Below& below : tables) {
      if (full()) return Ok();
      const std::string table(below.table), key(below.key),
          of_owner = " WHERE " + std::string(below.owner) + " = ?1";
      Statement rows =
          db_.Prepare("DELETE FROM " + table + of_owner + " AND (" + key + ") IN (SELECT " + key +
                      " FROM " + table + of_owner + " LIMIT ?2)");
      MUSTER_RETURN_IF_ERROR(rows.BindAll(owner, room_).Run());
      Count(db_.changes());
    }
    return Ok();
  }

  Status RunFor(std::string_view sql, std::int64_t row) {
    MUSTER_RETURN_IF_ERROR(db_.Prepare(sql).Bind(0, row).Run());
    Count(db_.changes());
    return Ok();
  }

  Database& db_;
  OpenSeriesCache& cache_;
  ErasedRows erased_;
  std::int64_t room_ = kEraseStep;
};

/// The row of a thing that may go; nothing when it was restored or is gone.
Result<std::optional<std::int64_t>> FindRow(Database& db, std::string_view sql, std::string_view id,
                                            UnixMillis deleted_before) {
  Statement row = db.Prepare(sql);
  row.BindAll(id, deleted_before);
  MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? std::optional(row.Int(0)) : std::nullopt;
}

constexpr std::string_view kRunRow =
    "SELECT id FROM runs WHERE run_id = ?1 AND deleted = 1 AND deleted_ms <= ?2";
constexpr std::string_view kModelRow =
    "SELECT m.id FROM logged_models m JOIN experiments e ON e.id = m.experiment WHERE m.model_id = "
    "?1 AND m.deleted < 2 AND (m.deleted_ms <= ?2 OR e.deleted_ms <= ?2)";
constexpr std::string_view kExperimentRow =
    "SELECT id FROM experiments e WHERE id = CAST(?1 AS INTEGER) AND id <> 0 AND deleted = 1 AND "
    "deleted_ms <= ?2 AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment = e.id) AND NOT EXISTS "
    "(SELECT 1 FROM logged_models WHERE experiment = e.id)";

/// Gives its id back and writes down where its files are. The new id has a space, which no client's has.
Status Mark(Database& db, const std::string& table, const std::string& id, std::int64_t row) {
  MUSTER_RETURN_IF_ERROR(db.Prepare("INSERT OR IGNORE INTO erased_roots SELECT artifact_uri FROM " +
                                    table + " WHERE id = ? AND artifact_uri <> ''")
                             .Bind(0, row)
                             .Run());
  return db
      .Prepare("UPDATE " + table + " SET deleted = 2, " + id + " = 'erased ' || id WHERE id = ?")
      .Bind(0, row)
      .Run();
}

Status EraseExperiment(Database& db, std::int64_t row) {
  for (const std::string_view sql :
       {"DELETE FROM experiment_tags WHERE experiment = ?",
        "DELETE FROM datasets WHERE experiment = ?", "DELETE FROM experiments WHERE id = ?",
        "INSERT INTO erased_experiments(id) VALUES(?)"}) {
    MUSTER_RETURN_IF_ERROR(db.Prepare(sql).Bind(0, row).Run());
  }
  return Ok();
}

}  // namespace

Result<std::vector<Erasable>> MarkErased(Database& db, const std::vector<Erasable>& things,
                                         UnixMillis deleted_before) {
  if (things.size() > kMostErasedAtOnce) {
    return Invalid("at most " + std::to_string(kMostErasedAtOnce) + " things are erased at once");
  }
  std::vector<Erasable> erased;
  for (const Erasable& thing : things) {
    const bool is_run = thing.kind == ErasableKind::kRun;
    const bool is_model = thing.kind == ErasableKind::kLoggedModel;
    MUSTER_ASSIGN_OR_RETURN(const auto row, FindRow(db,
                                                    is_run     ? kRunRow
                                                    : is_model ? kModelRow
                                                               : kExperimentRow,
                                                    thing.id, deleted_before));
    if (!row) continue;
    if (is_run) {
      MUSTER_RETURN_IF_ERROR(Mark(db, "runs", "run_id", *row));
    } else if (is_model) {
      MUSTER_RETURN_IF_ERROR(Mark(db, "logged_models", "model_id", *row));
    } else {
      MUSTER_RETURN_IF_ERROR(EraseExperiment(db, *row));
    }
    erased.push_back(thing);
  }
  return erased;
}

Result<ErasedRows> EraseSomeRows(Database& db, OpenSeriesCache& cache) {
  return RowEraser(db, cache).Run();
}

Status ForgetRoots(Database& db, const std::vector<std::string>& artifact_uris) {
  for (const std::string& uri : artifact_uris) {
    MUSTER_RETURN_IF_ERROR(db.Prepare("DELETE FROM erased_roots WHERE artifact_uri = ?")
                               .Bind(0, std::string_view(uri))
                               .Run());
  }
  return Ok();
}

}  // namespace muster::tracker
