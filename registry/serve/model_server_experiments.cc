#include <algorithm>
#include <utility>

#include "registry/serve/model_server.h"
#include "runtime/base/log.h"

/// The second version of a name.

namespace muster::registry::serve {
namespace {

constexpr std::size_t kPastMax = 20;

bool SameTensors(const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
  return std::ranges::equal(a, b, [](const TensorSpec& one, const TensorSpec& other) {
    return one.name == other.name && one.type == other.type && one.shape == other.shape;
  });
}

Status CheckAlike(const ServedModel& champion, const ServedModel& challenger) {
  if (SameTensors(champion.model->inputs(), challenger.model->inputs()) &&
      SameTensors(champion.model->outputs(), challenger.model->outputs())) {
    return Ok();
  }
  return Invalid(challenger.name + " version " + challenger.version +
                 " has other inputs or outputs than version " + champion.version +
                 ", whose requests it would get");
}

}  // namespace

Status ModelServer::Challenge(const ModelLocation& location, const ExperimentOptions& options) {
  MUSTER_RETURN_IF_ERROR(CheckRollout(options.rollout));
  const std::lock_guard loading(loading_);
  const std::string version = std::to_string(location.version);
  const ServedPtr champion = Find(location.name);
  if (champion == nullptr) return Conflict("no model '" + location.name + "' to challenge");
  if (champion->version == version) {
    return Conflict(location.name + " version " + version + " is the champion itself");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto challenger, Loaded(location));
  MUSTER_RETURN_IF_ERROR(CheckAlike(*champion, *challenger));
  Retire(StopExperiment(location.name));
  const std::lock_guard lock(mutex_);
  challenger->stats = StatsOf(*challenger);
  experiments_[location.name] = std::make_shared<Experiment>(champion, challenger, options, clock_);
  experimenting_ = true;
  return Ok();
}

std::shared_ptr<Experiment> ModelServer::ExperimentOn(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = experiments_.find(name);
  return found == experiments_.end() ? nullptr : found->second;
}

std::shared_ptr<Experiment> ModelServer::TakeExperiment(std::string_view name) {
  const auto found = experiments_.find(name);
  if (found == experiments_.end()) return nullptr;
  std::shared_ptr<Experiment> experiment = std::move(found->second);
  experiments_.erase(found);
  experimenting_ = !experiments_.empty();
  boost::json::array& past = past_experiments_[std::string(name)];
  past.push_back(experiment->Describe());
  if (past.size() > kPastMax) past.erase(past.begin());
  return experiment;
}

ServedPtr ModelServer::StopExperiment(std::string_view name) {
  std::shared_ptr<Experiment> experiment;  // destroyed after the lock is released
  const std::lock_guard lock(mutex_);
  experiment = TakeExperiment(name);
  return experiment == nullptr ? nullptr : experiment->challenger();
}

void ModelServer::EndExperiment(std::string_view name, bool takes_over) {
  const std::lock_guard loading(loading_);
  ServedPtr goes = StopExperiment(name);
  if (goes != nullptr && takes_over) {
    const std::lock_guard lock(mutex_);
    Slot& slot = models_.find(name)->second;
    slot.version = goes->version;
    std::swap(slot.served, goes);
  }
  Retire(std::move(goes));
}

boost::json::array ModelServer::PastExperiments(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = past_experiments_.find(name);
  return found == past_experiments_.end() ? boost::json::array() : found->second;
}

}  // namespace muster::registry::serve
