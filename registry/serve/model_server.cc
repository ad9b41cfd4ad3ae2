#include "registry/serve/model_server.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "registry/serve/routes.h"

namespace muster::registry::serve {

ModelServer::ModelServer(InferenceEngine& engine, ModelServerOptions options, const Clock& clock)
    : engine_(engine),
      options_(std::move(options)),
      clock_(clock),
      first_id_(static_cast<std::uint64_t>(clock.UnixNow()) ^ static_cast<std::uint64_t>(::getpid())
                                                                  << 44U) {}

ModelServer::~ModelServer() {
  for (const auto& [name, slot] : models_) {
    if (slot.served != nullptr && slot.served->batcher != nullptr) slot.served->batcher->Hurry();
  }
}

ServedPtr ModelServer::Find(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  if (found == models_.end() || found->second.served == nullptr) return nullptr;
  const ServedPtr& served = found->second.served;
  if (version.empty() || version == served->version) return served;
  const auto experiment = experiments_.find(name);
  if (experiment == experiments_.end()) return nullptr;
  const ServedPtr& challenger = experiment->second->challenger();
  return version == challenger->version ? challenger : nullptr;
}

ServedPtr ModelServer::Only() const {
  ServedPtr only;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, slot] : models_) {
    if (slot.served == nullptr) continue;
    if (only != nullptr) return nullptr;
    only = slot.served;
  }
  return only;
}

std::vector<ServedPtr> ModelServer::All() const {
  std::vector<ServedPtr> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, slot] : models_) {
    if (slot.served != nullptr) all.push_back(slot.served);
  }
  return all;
}

std::vector<IndexEntry> ModelServer::Index() const {
  std::map<std::string, IndexEntry> index;
  if (options_.repository != nullptr) {
    // A repository that cannot be listed has nothing new; what is served is served.
    const auto names = options_.repository->Names();
    if (names.ok()) {
      for (const std::string& name : *names) index[name] = {.name = name};
    }
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [name, slot] : models_) {
    index[name] = {name, slot.state, slot.version, slot.reason};
  }
  std::vector<IndexEntry> entries;
  entries.reserve(index.size());
  for (auto& [name, entry] : index) entries.push_back(std::move(entry));
  return entries;
}

bool ModelServer::ready() const { return options_.repository != nullptr || !All().empty(); }

ModelServer::StatsByVersion ModelServer::Stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void ModelServer::AddRoutes(http::Router& router, const std::optional<Container>& container) {
  Routes routes(router, *this);
  if (container && !container->predict_route.empty()) AddVertexRoutes(routes, *container);
  AddOpenInferenceRoutes(routes);
  AddRepositoryRoutes(routes);
  AddStatisticsRoutes(routes);
  AddRolloutRoutes(routes);
  AddMonitorRoutes(routes);
  AddMlflowRoutes(routes);
  AddKserveV1Routes(routes);
  AddSagemakerRoutes(routes);
  AddAzureRoutes(routes);
  routes.AddFallback();
}

}  // namespace muster::registry::serve
