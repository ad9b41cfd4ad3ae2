#include <iterator>
#include <utility>
#include <vector>

#include "registry/serve/memory.h"
#include "registry/serve/model_server.h"
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

std::string_view ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kReady:
      return "READY";
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kUnloading:
      return "UNLOADING";
    case ModelState::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

Status ModelServer::MayControl() const {
  if (options_.repository != nullptr) return Ok();
  return Unavailable(
      "models are loaded and unloaded by name only from a repository (muster serve --repository "
      "DIR)");
}

Status ModelServer::LoadNamed(std::string_view name) {
  MUSTER_RETURN_IF_ERROR(MayControl());
  MUSTER_ASSIGN_OR_RETURN(const ModelLocation location, options_.repository->Latest(name));
  return Load(location);
}

Status ModelServer::Load(const ModelLocation& location) {
  const std::lock_guard loading(loading_);
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = models_[location.name];
    if (slot.served == nullptr)
      slot = {nullptr, ModelState::kLoading, std::to_string(location.version), ""};
  }
  auto loaded = Loaded(location);
  if (!loaded.ok()) {
    LoadFailed(location.name, loaded.error());
    return loaded.error();
  }
  ServedPtr challenger = StopExperiment(location.name);  // it was against another champion
  Retire(Publish(std::move(*loaded)));
  Retire(std::move(challenger));
  return Ok();
}

Result<std::shared_ptr<ServedModel>> ModelServer::Loaded(const ModelLocation& location) {
  auto served = std::make_shared<ServedModel>();
  served->name = location.name;
  served->version = std::to_string(location.version);
  served->directory = location.directory;
  const auto file = location.directory / "model.onnx";
  if (options_.memory_max > 0) {
    std::error_code unknown;
    const auto size = std::filesystem::file_size(file, unknown);
    const std::uint64_t resident = ResidentBytes();
    if (!unknown && resident + size > options_.memory_max) {
      return ResourceExhausted("the model of " + std::to_string(size) + " bytes and the " +
                               std::to_string(resident) + " resident are beyond the bound of " +
                               std::to_string(options_.memory_max) + " bytes; unload another");
    }
  }
  MUSTER_ASSIGN_OR_RETURN(served->model, engine_.Load(file, options_.threads));
  const auto tried = served->model->Infer(Zeros(served->model->inputs()));
  served->warm = tried.ok();
  if (!tried.ok()) {
    const ServedPtr now = Find(served->name);
    if (now != nullptr && now->warm) return tried.error().With("warm-up");
    // A model may well refuse zeros of size one; with nothing better there, that it loaded is what counts.
    LogWarning("serve", location.name + " version " + served->version +
                            " failed its warm-up: " + tried.error().message);
  }
  if (options_.watch) {
    MUSTER_ASSIGN_OR_RETURN(served->watch, Watch::Open(location, *options_.watch, clock_));
  }
  if (options_.batch.rows > 1) {
    served->batcher = std::make_unique<Batcher>(served->model, options_.batch, clock_);
  }
  return served;
}

/// Lets it take the place of the version before it, which is given back.
ServedPtr ModelServer::Publish(std::shared_ptr<ServedModel> served) {
  const std::lock_guard lock(mutex_);
  served->stats = StatsOf(*served);
  Slot& slot = models_[served->name];
  slot.state = ModelState::kReady;
  slot.version = served->version;
  slot.reason.clear();
  return std::exchange(slot.served, std::move(served));
}

/// `mutex_` is held.
std::shared_ptr<ServingStats> ModelServer::StatsOf(const ServedModel& served) {
  const std::pair key(served.name, served.version);
  for (auto entry = stats_.begin(); stats_.size() >= kMostStats && entry != stats_.end();) {
    const auto slot = models_.find(entry->first.first);
    const bool in_use = slot != models_.end() && slot->second.version == entry->first.second;
    entry = in_use ? std::next(entry) : stats_.erase(entry);
  }
  auto& stats = stats_[key];
  if (stats == nullptr) stats = std::make_shared<ServingStats>();
  return stats;
}

void ModelServer::LoadFailed(const std::string& name, const Error& error) {
  const bool known = options_.repository != nullptr && options_.repository->Has(name);
  const std::lock_guard lock(mutex_);
  Slot& slot = models_[name];
  if (slot.served != nullptr) return;  // it goes on
  slot.state = ModelState::kUnavailable;
  slot.reason = error.message;
  // The index keeps what somebody can find in the repository, not every name that was ever asked for.
  if (!known) models_.erase(name);
}

Status ModelServer::Unload(std::string_view name) {
  const std::lock_guard loading(loading_);
  ServedPtr served;
  {
    const std::lock_guard lock(mutex_);
    const auto found = models_.find(name);
    if (found == models_.end() || found->second.served == nullptr) {
      return NotFound("model '" + std::string(name) + "' is not loaded");
    }
    served = std::exchange(found->second.served, nullptr);
    found->second.state = ModelState::kUnloading;
  }
  Retire(StopExperiment(name));
  Retire(std::move(served));
  const bool known = options_.repository != nullptr && options_.repository->Has(name);
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  found->second.state = ModelState::kUnavailable;
  found->second.reason = "unloaded";
  if (!known) models_.erase(found);
  return Ok();
}

/// Waits until its last request has ended, and gives its memory back.
void ModelServer::Retire(ServedPtr served) {
  if (served == nullptr) return;
  if (served->batcher != nullptr) served->batcher->Hurry();
  auto gone = served->gone.promise.get_future();
  served.reset();
  if (gone.wait_for(kRetireWait) == std::future_status::ready) ReturnFreeMemory();
}

}  // namespace muster::registry::serve
