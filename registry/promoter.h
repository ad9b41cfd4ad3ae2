#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "registry/gates.h"
#include "registry/model_store.h"
#include "registry/package/package.h"
#include "runtime/base/clock.h"
#include "runtime/wire/sweep_spec.h"

/// From a checkpoint to an alias, as a sequence that may be cut anywhere and run again:
///
///   1. A decision is written for this request: answer it. Done.
///   2. The trial's program exports the checkpoint to ONNX with held-out rows.
///   3. The gates of the model's gate file and of the sweep are judged, `better_than` against the version the alias names now.
///   4. Refused: the decision is written (audit), no version is made. Done.
///   5. The package is put together and signed, and its files are put into the run's artifacts.
///   6. The version is made (request id), its directory published, its lineage and its verdicts recorded.
///   7. No alias asked for: done, but for the decision. The alias is moved by compare-and-swap from the version that step 3 compared with. Lost: the gates are
///      judged again against the new one, `kPromotionRounds` times at most.
///   8. Approvals wanted, by the sweep or by the model's policy: the alias stays, and the store moves it with the last
///      of them, unless it has moved meanwhile. The decision says so.
///   9. The decision is written. Done.
///
/// Steps 6, 7 and 9 carry the request's id, so a second run makes no second version, promotion or decision;
/// a version that an earlier run promoted keeps the verdicts that were recorded with it; one that it only
/// registered is judged anew, and new verdicts are recorded beside the old ones.

namespace muster::registry {

inline constexpr int kPromotionRounds = 5;

struct ExportRequest {
  std::string program;  ///< a trial that ships
  std::filesystem::path checkpoint;
  boost::json::object params;
  std::map<std::string, std::string> data;  ///< role -> path
  std::vector<std::string> segments;        ///< columns of the held-out rows
  std::filesystem::path out_dir;            ///< exists and is empty
};

/// Runs a trial's program to export its model. Blocks until it is done.
class ModelExporter {
 public:
  virtual ~ModelExporter() = default;
  /// Leaves what registry/evaluation.h lays down in out_dir. kUnsupported, kInvalid, kNotFound and
  /// kCorrupt are final (an operator that ONNX lacks, a lost checkpoint); anything else may be tried again.
  virtual Status Export(const ExportRequest& request) = 0;
};

/// The artifacts of a run.
class ArtifactSink {
 public:
  virtual ~ArtifactSink() = default;
  /// Puts a file at `path` below the run's artifacts, replacing what is there; durable when it returns.
  virtual Status Put(const std::string& run_id, const std::string& path,
                     const std::filesystem::path& file) = 0;
  /// The address of a folder of the run: "mlflow-artifacts:/1/<run>/artifacts/model".
  virtual Result<std::string> Source(const std::string& run_id, const std::string& path) = 0;
};

/// Files of candidates and versions. Adapter: registry/files.
class ModelFiles {
 public:
  virtual ~ModelFiles() = default;
  /// An empty directory for this request; what an earlier run left there is removed.
  virtual Result<std::filesystem::path> Workspace(const std::string& request_id) = 0;
  virtual void Discard(const std::string& request_id) = 0;
  virtual Result<ExportBundle> ReadBundle(const std::filesystem::path& directory) = 0;
  /// Writes the files below `directory`, which it makes; flushed to the disk.
  virtual Status Write(const std::filesystem::path& directory,
                       const std::vector<PackageFile>& files) = 0;
  /// Writes model.sig over all that is below `directory`, with the registry's key.
  virtual Status Sign(const std::filesystem::path& directory, const std::string& model) = 0;
  /// Makes `directory` the version's by an atomic rename, and writes config.pbtxt. A version that is
  /// published already stays as it is.
  virtual Status Publish(const std::filesystem::path& directory, const std::string& model,
                         std::int64_t version, const std::string& config_pbtxt) = 0;
  /// The model.onnx of a version that was published, or fetched from its source.
  virtual Result<std::filesystem::path> OnnxFile(const ModelVersion& version) = 0;
};

struct Candidate {
  std::string request_id;  ///< "<sweep>/promotion"; not empty
  Lineage lineage;         ///< sweep, trial, run_id, checkpoint, params, data, ...
  std::string program;     ///< whose export is run
  wire::ModelSpec model;   ///< `promote` empty: the version gets no alias
  /// The version that this one is a compressed form of (its export leaves full.onnx: compressing_exporter.h); 0:
  /// none. Parity and `better_than` give way to the gate `compressed`: a smaller form is not to be better.
  std::int64_t compressed_from = 0;
  std::string author{};  ///< whose work it is: who asked for the sweep
};

struct PromotionResult {
  std::int64_t version = 0;  ///< 0: none was made
  bool promoted = false;
  std::string model, alias;
  std::string reason;  ///< a sentence for people: why promoted, or why not
  std::vector<GateVerdict> verdicts;
};
boost::json::value ToJson(const PromotionResult& result);
Result<PromotionResult> PromotionResultFromJson(const boost::json::value& json);

/// One thread at a time; all that it is built on must outlive it.
class Promoter {
 public:
  struct Parts {
    ModelStore& store;
    InferenceEngine& engine;
    ModelExporter& exporter;
    ArtifactSink& artifacts;
    ModelFiles& files;
    const Clock& clock;
  };
  explicit Promoter(Parts parts) : parts_(parts) {}

  /// Seconds to minutes. A result is final and the same for every later call with this request id; an error
  /// means that it is worth calling again.
  Result<PromotionResult> Run(const Candidate& candidate);

 private:
  struct Judged;
  Result<PromotionResult> Decide(const Candidate& candidate);
  Result<bool> WasPromoted(const ModelVersion& version, const std::string& alias);
  /// The newest `count` verdicts on a version: its last judgement.
  Result<std::vector<GateVerdict>> Recorded(const ModelVersion& version, std::size_t count);
  /// Those of the model's gate file in force, then the sweep's; kInvalid when they do not go together.
  Result<std::vector<wire::GateSpec>> GatesOf(const wire::ModelSpec& model);
  Result<Judged> ExportAndJudge(const Candidate& candidate);
  Status Judge(const Candidate& candidate, Judged& judged);
  Result<ModelVersion> Register(const Candidate& candidate, const Judged& judged);
  Result<PromotionResult> MoveAlias(const Candidate& candidate, const ModelVersion& version,
                                    Judged& judged);
  Parts parts_;
};

/// Moves an alias back one step (RollbackTarget), or to `to`, which it named before, by compare-and-swap; answers the
/// version it now names. kNotFound when there is nothing to go back to, kInvalid for a `to` that it never named or names
/// now, kConflict when the alias moved meanwhile.
Result<std::int64_t> Rollback(ModelStore& store, const std::string& model, const std::string& alias,
                              const Actor& actor, std::optional<std::int64_t> to = std::nullopt);

}  // namespace muster::registry
