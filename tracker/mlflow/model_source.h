#pragma once

#include <string>

#include "tracker/mlflow/call.h"

/// Where a model version's files come from: MLflow's rules for `source`
/// (mlflow/server/handlers.py, _validate_source_run and _validate_source_model).

namespace muster::tracker {

/// Checks `version.source` and fills in what it implies: models:/m-<id> names the logged model's run,
/// models:/<name>/<version or @alias> is that version's lineage. kInvalid when the source is a local path, leaves
/// its root with "..", or does not lie in the run or logged model that the request names.
Status ResolveSource(const Services& services, registry::NewVersion& version);

/// The address a client downloads the version from: its source, or the place of what a models:/ source means.
Result<std::string> DownloadUriOf(const Services& services, const std::string& name,
                                  std::int64_t version);

}  // namespace muster::tracker
