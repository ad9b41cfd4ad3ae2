#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"
#include "tracker/run_store.h"

/// Writes to experiments and logged models, inside the writer's transaction. Semantics and errors are those of
/// the RunStore method of the same name.

namespace muster::tracker {

/// Makes experiment "0" (Default) when there is none.
Status EnsureDefaultExperiment(sqlite::Database& db, const std::string& artifact_root,
                               UnixMillis now);
/// An empty location is "<artifact_root>/<id>".
Result<std::string> CreateExperimentRow(sqlite::Database& db, const std::string& name,
                                        const std::string& location,
                                        const std::string& artifact_root,
                                        const std::vector<Tag>& tags, UnixMillis now);
Status RenameExperimentRow(sqlite::Database& db, const std::string& experiment_id,
                           const std::string& name, UnixMillis now);
Status SetExperimentRowDeleted(sqlite::Database& db, const std::string& experiment_id, bool deleted,
                               UnixMillis now);
Status SetExperimentRowTag(sqlite::Database& db, const std::string& experiment_id,
                           const std::string& key, const std::optional<std::string>& value);

Result<LoggedModel> CreateLoggedModelRow(sqlite::Database& db, LoggedModel model, UnixMillis now);
Result<LoggedModel> FinishLoggedModelRow(sqlite::Database& db, const std::string& model_id,
                                         const std::string& status, UnixMillis now);
/// `table` is logged_model_tags or logged_model_params.
Status SetLoggedModelRows(sqlite::Database& db, const std::string& model_id, std::string_view table,
                          const std::vector<Tag>& tags);
Status DeleteLoggedModelRowTag(sqlite::Database& db, const std::string& model_id,
                               const std::string& key);
Status ChangeLoggedModelRowTag(sqlite::Database& db, const std::string& model_id,
                               const std::string& key, const TagChange& change);
/// Deleted again it keeps the time.
Status DeleteLoggedModelRow(sqlite::Database& db, const std::string& model_id, UnixMillis now);

}  // namespace muster::tracker
