#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_store.h"
#include "runtime/base/result.h"
#include "tracker/run_store.h"

/// What an import reads from: the store of another tracking server, as it lies on the disk. One thread.
/// Errors name the file and what is wrong with it: kNotFound, kIo, kCorrupt, kUnsupported.

namespace muster::tracker {

/// Called for one thing after the other; its error ends the walk and is what the walk answers.
template <typename T>
using Visit = std::function<Status(T)>;

/// A model of the registry with all its versions, by number. Times and the aliases of versions are not set.
struct SourceModel {
  registry::RegisteredModel model;
  std::vector<registry::ModelVersion> versions;
};

class ImportSource {
 public:
  virtual ~ImportSource() = default;
  virtual Result<std::vector<Experiment>> Experiments() = 0;
  /// Without metrics.
  virtual Status LoggedModels(const Experiment& experiment, const Visit<LoggedModel>& visit) = 0;
  /// Without metrics.
  virtual Status Runs(const Experiment& experiment, const Visit<Run>& visit) = 0;
  /// All points of a run that Runs visits just now, at most 1000 at a time. A point that belongs to a logged
  /// model may come twice, once with its model_id.
  virtual Status Points(const Run& run, const Visit<std::vector<Metric>>& visit) = 0;
  virtual Result<std::vector<SourceModel>> RegisteredModels() = 0;
  /// The folder on this machine that an artifact_uri of this source means; nullopt when it lies elsewhere.
  [[nodiscard]] virtual std::optional<std::filesystem::path> Folder(std::string_view uri) const = 0;
  /// What is there and is not imported, a sentence each: "12 traces".
  virtual Result<std::vector<std::string>> LeftOut() = 0;
};

/// "file:///a%20b" and "file:/a b" are "/a b", a path is itself (relative ones below `base`); nullopt for
/// another scheme.
std::optional<std::filesystem::path> LocalPath(std::string_view uri,
                                               const std::filesystem::path& base);

/// An `mlflow.db` of MLflow 2.0 to 3.18, while a server writes to it or not: what is read is one moment.
/// `artifacts` is the folder that its server was given as --artifacts-destination; "mlflow-artifacts:" URIs
/// lie there. kUnsupported names the schema revision that this program does not know.
Result<std::unique_ptr<ImportSource>> OpenMlflowDatabase(const std::filesystem::path& file,
                                                         std::filesystem::path artifacts = {});

/// An `mlruns` folder (MLflow's file store), .trash and the registry in `models` with it. An artifact folder
/// that was moved along with the tree is found again.
Result<std::unique_ptr<ImportSource>> OpenMlrunsFolder(const std::filesystem::path& folder);

}  // namespace muster::tracker
