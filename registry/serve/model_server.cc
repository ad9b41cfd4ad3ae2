#include "registry/serve/model_server.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "registry/serve/routes.h"
#include "runtime/base/log.h"

namespace muster::registry::serve {

namespace {

/// Zeros of the smallest shape. The first inference of an engine allocates and compiles, which should
/// not be on a client's time.
std::vector<Tensor> Zeros(const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> inputs;
  for (const TensorSpec& spec : specs) {
    Tensor& tensor = inputs.emplace_back(Tensor{spec.name, spec.type, spec.shape, {}});
    for (std::int64_t& size : tensor.shape) size = size < 0 ? 1 : size;
    const auto count = ElementCount(tensor.shape);
    tensor.bytes.resize(static_cast<std::size_t>(count.ok() ? *count : 0) * ElementSize(spec.type));
  }
  return inputs;
}

}  // namespace

ModelServer::ModelServer(InferenceEngine& engine, ModelServerOptions options, const Clock& clock)
    : engine_(engine),
      options_(std::move(options)),
      clock_(clock),
      first_id_(static_cast<std::uint64_t>(clock.UnixNow()) ^ static_cast<std::uint64_t>(::getpid())
                                                                  << 44U) {}

ModelServer::~ModelServer() {
  for (const auto& [name, served] : models_) {
    if (served->batcher != nullptr) served->batcher->Hurry();
  }
}

Result<ModelServer::Prepared> ModelServer::Prepare(const ModelLocation& location) {
  auto served = std::make_shared<ServedModel>();
  served->name = location.name;
  served->version = std::to_string(location.version);
  MUSTER_ASSIGN_OR_RETURN(served->model,
                          engine_.Load(location.directory / "model.onnx", options_.threads));
  const auto tried = served->model->Infer(Zeros(served->model->inputs()));
  served->warm = tried.ok();
  if (options_.batch.rows > 1) {
    served->batcher = std::make_unique<Batcher>(served->model, options_.batch, clock_);
  }
  const std::lock_guard lock(mutex_);
  auto& stats = stats_[{served->name, served->version}];
  if (stats == nullptr) stats = std::make_shared<ServingStats>();
  served->stats = stats;
  return Prepared{served, tried.ok() ? Error() : tried.error().With("warm-up")};
}

Status ModelServer::Load(const ModelLocation& location) {
  MUSTER_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(location));
  const auto& served = prepared.model;
  ServedPtr replaced;  // destroyed, as the experiment, after the lock is released
  std::shared_ptr<Experiment> over;
  const std::lock_guard lock(mutex_);
  if (!served->warm) {
    const auto now = models_.find(served->name);
    if (now != models_.end() && now->second->warm) return prepared.cold;
    // A model may well refuse zeros of size one; with nothing better there, that it loaded is what counts.
    LogWarning("serve", location.name + " version " + served->version + " failed its " +
                            prepared.cold.message);
  }
  over = TakeExperiment(served->name);  // it was against another champion
  replaced = std::exchange(models_[served->name], served);
  if (replaced != nullptr && replaced->batcher != nullptr) replaced->batcher->Hurry();
  return Ok();
}

ServedPtr ModelServer::Find(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  if (found == models_.end()) return nullptr;
  if (version.empty() || version == found->second->version) return found->second;
  const auto experiment = experiments_.find(name);
  if (experiment == experiments_.end()) return nullptr;
  const ServedPtr& challenger = experiment->second->challenger();
  return version == challenger->version ? challenger : nullptr;
}

ServedPtr ModelServer::Only() const {
  const std::lock_guard lock(mutex_);
  return models_.size() == 1 ? models_.begin()->second : nullptr;
}

std::vector<ServedPtr> ModelServer::All() const {
  std::vector<ServedPtr> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, served] : models_) all.push_back(served);
  return all;
}

ModelServer::StatsByVersion ModelServer::Stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void ModelServer::AddRoutes(http::Router& router) {
  Routes routes(router, *this);
  AddOpenInferenceRoutes(routes);
  AddMlflowRoutes(routes);
  AddMetricsRoute(routes);
  AddRolloutRoutes(routes);
}

}  // namespace muster::registry::serve
