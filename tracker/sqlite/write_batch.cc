#include "tracker/sqlite/write_batch.h"

#include <vector>

#include "tracker/run_rules.h"
#include "tracker/sqlite/ranks.h"
#include "tracker/sqlite/rows.h"
#include "tracker/sqlite/write_metrics.h"

namespace muster::tracker {

namespace {

using sqlite::Database;
using sqlite::Statement;

Status CheckParams(Database& db, std::int64_t run, const RunId& run_id, const Batch& batch) {
  std::vector<ParamChange> changes;
  for (const Param& param : batch.params) {
    Statement row = db.Prepare("SELECT value FROM params WHERE run = ? AND key = ?");
    row.BindAll(run, std::string_view(param.key));
    MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found && row.Text(0) != param.value) {
      changes.push_back({param.key, std::string(row.Text(0)), param.value});
    }
  }
  if (changes.empty()) return Ok();
  return ParamsChanged(run_id, batch.single, changes);
}

}  // namespace

Status WriteBatch(Database& db, OpenSeriesCache& cache, const RunId& run_id, const Batch& batch) {
  MUSTER_ASSIGN_OR_RETURN(const RunRow run, ActiveRun(db, run_id));
  MUSTER_RETURN_IF_ERROR(CheckParams(db, run.row, run_id, batch));
  for (const Param& param : batch.params) {
    MUSTER_RETURN_IF_ERROR(WriteTag(db, "params", "run", run.row, param));
  }
  for (const Tag& tag : batch.tags) MUSTER_RETURN_IF_ERROR(WriteRunTag(db, run.row, tag));
  for (const RankPlace& place : batch.places) {
    MUSTER_RETURN_IF_ERROR(WriteRankPlace(db, run.row, place));
  }
  return WriteMetrics(db, cache, run, run_id, batch.metrics);
}

}  // namespace muster::tracker
