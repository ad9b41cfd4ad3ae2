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
  const std::string version = std::to_string(location.version);
  const ServedPtr champion = Find(location.name);
  if (champion == nullptr) return Conflict("no model '" + location.name + "' to challenge");
  if (champion->version == version) {
    return Conflict(location.name + " version " + version + " is the champion itself");
  }
  MUSTER_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(location));
  MUSTER_RETURN_IF_ERROR(CheckAlike(*champion, *prepared.model));
  if (champion->warm && !prepared.model->warm) return prepared.cold;
  auto experiment = std::make_shared<Experiment>(champion, prepared.model, options, clock_);
  std::shared_ptr<Experiment> before;  // destroyed after the lock is released
  const std::lock_guard lock(mutex_);
  if (models_.find(location.name)->second != champion) {
    return Conflict("the champion of " + location.name + " changed meanwhile");
  }
  before = TakeExperiment(location.name);
  experiments_[location.name] = std::move(experiment);
  experimenting_ = true;
  return Ok();
}

std::shared_ptr<Experiment> ModelServer::ExperimentOn(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = experiments_.find(name);
  return found == experiments_.end() ? nullptr : found->second;
}

std::shared_ptr<Experiment> ModelServer::TakeExperiment(std::string_view name, bool takes_over) {
  const auto found = experiments_.find(name);
  if (found == experiments_.end()) return nullptr;
  std::shared_ptr<Experiment> experiment = std::move(found->second);
  experiments_.erase(found);
  experimenting_ = !experiments_.empty();
  boost::json::array& past = past_experiments_[std::string(name)];
  past.push_back(experiment->Describe());
  if (past.size() > kPastMax) past.erase(past.begin());
  const ServedPtr& challenger = experiment->challenger();
  if (!takes_over && challenger->batcher != nullptr) challenger->batcher->Hurry();
  return experiment;
}

void ModelServer::EndExperiment(std::string_view name, bool takes_over) {
  ServedPtr replaced;
  std::shared_ptr<Experiment> experiment;
  const std::lock_guard lock(mutex_);
  experiment = TakeExperiment(name, takes_over);
  if (experiment == nullptr || !takes_over) return;
  replaced = std::exchange(models_.find(name)->second, experiment->challenger());
  if (replaced->batcher != nullptr) replaced->batcher->Hurry();
}

boost::json::array ModelServer::PastExperiments(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = past_experiments_.find(name);
  return found == past_experiments_.end() ? boost::json::array() : found->second;
}

}  // namespace muster::registry::serve
