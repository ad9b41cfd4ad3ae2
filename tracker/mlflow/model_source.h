#pragma once

#include <string>

#include "tracker/mlflow/call.h"

/// Where a model version's files come from: MLflow's rules for `source`
/// (mlflow/server/handlers.py, _validate_source_run and _validate_source_model).

namespace muster::tracker {

/// Which of a version's origins the request names, if only with "".
struct NamedOrigins {
  bool run = false, model = false;
};

/// Checks `version.source` and fills in what it implies: models:/m-<id> names the logged model's run,
/// models:/<name>/<version> is that version's lineage. kInvalid when the source leaves its root with "..", or is of
/// this server and does not lie in the run or logged model that the request names; local paths never lie elsewhere.
Status ResolveSource(const Services& services, NamedOrigins named, registry::NewVersion& version);

/// The address a client downloads the version from: its source, or the place of what a models:/ source means.
Result<std::string> DownloadUriOf(const Services& services, const std::string& name,
                                  std::int64_t version);

}  // namespace muster::tracker
