#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "registry/model_store.h"
#include "runtime/base/clock.h"
#include "runtime/base/result.h"
#include "tracker/artifact_store.h"
#include "tracker/gc/policy.h"
#include "tracker/run_store.h"

namespace muster::tracker {

/// All of it outlives the call.
struct GcParts {
  RunStore& runs;
  ArtifactStore& artifacts;  ///< behind "mlflow-artifacts:"
  /// Opens another artifact_uri, as MlflowOptions::open_root; empty: those are left alone.
  std::function<Result<std::shared_ptr<ArtifactStore>>(std::string_view artifact_uri)> open_root;
  registry::ModelStore& models;
  const Clock& clock;
};

/// Called on the thread that collects; both may be empty.
struct GcHooks {
  std::function<void(const GcReport&)> progress;  ///< after each step
  std::function<bool()> stopped;                  ///< true: stop after this step
};

/// Deletes for good what `policy` means, beside clients that write; blocks until it is done.
///
///   1. rules      live runs outside the policy's rules are deleted, softly
///   2. marking    what was deleted long enough ago is erased: gone for everybody, its artifacts' place written down
///   3. rows       what it left in the database is removed, step by step; then empty experiments go
///   4. artifacts  files of what was erased are removed, then their place is forgotten
///   5. contents   the artifact store frees what no name has any more
///
/// Steps 3 to 5 also finish what an earlier one, that was killed, left. What a registered model version comes from,
/// by its run, its logged model or its source, stays, and the report says so; the registry is looked at again before
/// files are removed, so that a version made meanwhile keeps its own. Files that cannot be removed are reported, and
/// tried again the next time.
///
/// At most one at a time on a store. kInvalid, kNotFound for what the policy names; kUnavailable when stopped; else
/// the error of a store, with nothing lost.
Result<GcReport> CollectGarbage(const GcParts& parts, const GcPolicy& policy,
                                const GcHooks& hooks = {});

}  // namespace muster::tracker
