#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "registry/model_store.h"
#include "tracker/artifact_store.h"
#include "tracker/run_store.h"
#include "tracker/transfer/source.h"

namespace muster::tracker {

struct ImportReport {
  std::int64_t experiments = 0;       ///< looked at
  std::int64_t runs = 0;              ///< added
  std::int64_t runs_known = 0;        ///< were here already; completed where an import was cut off
  std::int64_t points = 0;            ///< sent to the store, which keeps each once
  std::int64_t logged_models = 0;     ///< added
  std::int64_t versions = 0;          ///< of registered models, added
  std::int64_t files = 0, bytes = 0;  ///< artifacts, added
  std::vector<std::string> left_out;  ///< a sentence each
};

struct ImportOptions {
  /// Files that lie on this machine are copied into the store. Else runs keep the address that they had, and
  /// nothing is copied.
  bool copy_artifacts = true;
  /// Called after every run and every file.
  std::function<void(const ImportReport&)> progress;
};

struct ImportTarget {
  RunStore& runs;
  ArtifactStore& artifacts;
  registry::ModelStore& models;
};

/// Brings over what `source` holds. Ids of experiments (where they are free), runs, logged models and versions
/// stay; so do times, except those of the registry. Nothing that is here is changed: a run gets the params, tags
/// and points that it lacks, also after an import that was cut off, and doing it again adds nothing. A run or
/// experiment deleted there is deleted here.
///
/// Ends at the first thing that cannot be read or is refused, naming it; what came before stays. A model of the
/// registry whose versions do not fit to those here is left out, and so is an artifact that cannot be read.
Result<ImportReport> Import(ImportSource& source, const ImportTarget& target,
                            const ImportOptions& options = {});

/// The registry's part of Import.
Status ImportRegistry(ImportSource& source, registry::ModelStore& models,
                      const std::function<std::string(const std::string& source)>& moved,
                      ImportReport& report);

}  // namespace muster::tracker
