#pragma once

#include <atomic>
#include <boost/json/array.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/inference_engine.h"
#include "registry/serve/access_log.h"
#include "registry/serve/container.h"
#include "registry/serve/envelope.h"
#include "registry/serve/experiment.h"
#include "registry/serve/model_repository.h"
#include "registry/serve/model_source.h"
#include "registry/serve/protocol.h"
#include "runtime/base/clock.h"
#include "runtime/wire/http.h"

/// Answers inference requests over HTTP, in the protocols of routes.h.
///
/// Errors are in the protocol's form: 400 for a wrong request, 404 for an unknown model, 415 for a content type or coding
/// that is not known, 429 with Retry-After while too many wait, 500 for the engine's failure, 503 when the request's
/// parameter `timeout` (microseconds, as Triton's) passed while it waited, 507 when there is no memory. Where Triton says
/// 500 to a client's mistake (malformed JSON, no such model to load), this server says which. Every answer has
/// X-Request-Id, the request's or one of ours, and the request's traceparent and tracestate; bodies may be packed both
/// ways (content_coding.h).

namespace muster::registry::serve {

struct ModelServerOptions {
  std::string version = "0.1.0";  ///< of this program, told at /v2 and /version
  int threads = 1;                ///< that one inference may use; 0: the engine's choice
  /// With more than one row requests share calls, on threads of their own; else each is computed on the connection's.
  BatchOptions batch = {};
  std::size_t body_max = 64U << 20;  ///< bytes of a packed body once it is unpacked
  int concurrency = 1;  ///< requests that are answered at the same time, told to SageMaker
  /// Where models are loaded from by name, and unloaded; null: the models are another's to choose. Must outlive the server.
  const ModelRepository* repository = nullptr;
  /// Resident bytes of the process beyond which no model is loaded (507); 0: no bound.
  std::uint64_t memory_max = 0;
  std::optional<WatchOptions> watch = {};  ///< versions that have a baseline are watched
  /// Told of every answer, from any thread; may be empty.
  std::function<void(const AccessRecord&)> access_log = {};
};

/// Safe from any thread. A model is replaced at once and whole: requests in flight finish on the version
/// they began with, which goes when the last of them has ended; no request fails for it.
class ModelServer {
 public:
  /// `engine` and `clock` must outlive the server.
  ModelServer(InferenceEngine& engine, ModelServerOptions options,
              const Clock& clock = SystemClock());

  ~ModelServer();  ///< requests that wait for others in a batch are computed at once
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  /// Loads a version, tries it once on zeros, and lets it take the place of the model of that name, if there is
  /// one. A version that fails the try does not replace one that passed it. Blocks, also until requests in flight have
  /// left the old version and its memory is the system's again, at most kRetireWait; on an error nothing changes.
  Status Load(const ModelLocation& location);
  /// The same with a model's latest version in the repository.
  Status LoadNamed(std::string_view name);
  /// The same the other way. kNotFound when it is not served.
  Status Unload(std::string_view name);
  /// Ok where models may be loaded and unloaded from outside; kUnavailable without a repository.
  [[nodiscard]] Status MayControl() const;

  /// Loads a version beside the one that is served under its name, for as long as the experiment runs; another experiment
  /// of that name ends. Blocks. kConflict when nothing is served under the name, or this very version is; kInvalid when
  /// its inputs or outputs are others than the champion's, or the options are wrong; Load's errors.
  Status Challenge(const ModelLocation& location, const ExperimentOptions& options);
  /// Null without one. One that has ended stays until EndExperiment, or until Load brings another champion.
  [[nodiscard]] std::shared_ptr<Experiment> ExperimentOn(std::string_view name) const;
  /// `takes_over`: the challenger is the champion from here on; else it goes. Blocks as Load does.
  void EndExperiment(std::string_view name, bool takes_over);
  /// Descriptions of the latest experiments that have ended, oldest first.
  [[nodiscard]] boost::json::array PastExperiments(std::string_view name) const;

  /// A label of an earlier answer, by whichever version. kUnsupported when none of them is watched; else what its watch
  /// says of it, and the rollout is told.
  Result<monitor::JoinState> Outcome(std::string_view name, const monitor::OutcomeLabel& label);
  /// Ends the windows that have lasted long enough, of all versions.
  std::vector<WatchedWindow> TurnWindows();

  /// Routes into `router`, a platform's own among them; the server must outlive it.
  void AddRoutes(http::Router& router, const std::optional<Container>& container = std::nullopt);

  /// Decodes, computes, encodes and counts: the handler of every protocol. `protocol` must live for ever. `route` goes
  /// into the access log.
  void Predict(const Protocol& protocol, std::string_view route, const http::Request& request,
               http::Respond respond);
  /// Around all other answers: Open() when the request is there, Close() when its answer is ready, which it completes.
  Envelope Open(const http::Request& request);
  void Close(const Envelope& envelope, std::string_view method, std::string_view route,
             const ServedModel* served, const RequestTimes& times, http::Response& response) const;

  /// Null when it is not served. An empty `version` is the champion's.
  [[nodiscard]] ServedPtr Find(std::string_view name, std::string_view version = {}) const;
  /// The model when there is only one, for routes that name none.
  [[nodiscard]] ServedPtr Only() const;
  /// What is served, by name.
  [[nodiscard]] std::vector<ServedPtr> All() const;
  /// What is served, what failed to load, and what the repository has, by name.
  [[nodiscard]] std::vector<IndexEntry> Index() const;
  /// Whether models that a client may expect are there: always with a repository, else when one is loaded.
  [[nodiscard]] bool ready() const;
  /// By model and version; those of replaced versions too, for counters must not fall, but beyond kMostStats they go.
  using StatsByVersion =
      std::map<std::pair<std::string, std::string>, std::shared_ptr<ServingStats>>;
  [[nodiscard]] StatsByVersion Stats() const;
  [[nodiscard]] const ModelServerOptions& options() const { return options_; }

  static constexpr std::size_t kMostStats = 4096;
  static constexpr std::chrono::seconds kRetireWait{10};

 private:
  Result<std::shared_ptr<ServedModel>> Loaded(const ModelLocation& location);
  ServedPtr Publish(std::shared_ptr<ServedModel> served);
  void Retire(ServedPtr served);
  void LoadFailed(const std::string& name, const Error& error);
  std::shared_ptr<ServingStats> StatsOf(const ServedModel& served);
  /// `mutex_` is held.
  std::shared_ptr<Experiment> TakeExperiment(std::string_view name);
  /// Ends it, if there is one; its challenger is to be retired.
  ServedPtr StopExperiment(std::string_view name);

  /// From the first byte decoded to the answer that is ready, counted.
  struct Call {
    const Protocol* protocol;
    http::Respond respond;
    Envelope envelope;
    std::string route = {};  ///< for the access log
    ServedPtr served = nullptr;
    std::shared_ptr<Experiment> experiment = nullptr;  ///< null: its outcome proves nothing
    std::string id = {}, segment = {};                 ///< for labels, of the watch
    decltype(Question::encode) encode = {};
    std::int64_t rows = 0;
    RequestTimes times = {};
  };
  void Compute(Call call, std::vector<Tensor> inputs,
               std::optional<std::chrono::microseconds> timeout);
  void Encode(Call& call, const Result<std::vector<Tensor>>& outputs, const Execution& execution);
  void Finish(Call& call, Result<http::Response> response);
  void Observe(const Call& call, const Execution& execution,
               const std::vector<Tensor>* outputs) const;
  static const std::string& IdOf(const Call& call);
  void Busy(Call& call);
  void Answer(Call& call, http::Response response) const;

  InferenceEngine& engine_;
  const ModelServerOptions options_;
  const Clock& clock_;
  const std::uint64_t first_id_;
  std::atomic<std::uint64_t> requests_ = 0;
  std::mutex loading_;        ///< held while a model is loaded or unloaded: one at a time
  mutable std::mutex mutex_;  ///< guards what follows; never held during an inference
  struct Slot {
    ServedPtr served;  ///< null: it is not
    ModelState state = ModelState::kLoading;
    std::string version, reason;
  };
  std::map<std::string, Slot, std::less<>> models_;
  StatsByVersion stats_;
  std::map<std::string, std::shared_ptr<Experiment>, std::less<>> experiments_;
  std::map<std::string, boost::json::array, std::less<>> past_experiments_;
  /// experiments_ is not empty: most requests need not lock for it.
  std::atomic<bool> experimenting_ = false;
};

}  // namespace muster::registry::serve
