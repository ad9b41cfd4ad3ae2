#include "registry/memory_model_store.h"

#include <algorithm>

#include "registry/approval.h"
#include "registry/audit_chain.h"
#include "registry/change_detail.h"
#include "registry/gate_json.h"
#include "registry/model_rules.h"
#include "registry/model_search.h"

namespace muster::registry {

MemoryModelStore::Model* MemoryModelStore::Find(std::string_view name) {
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : &found->second;
}

Result<MemoryModelStore::Model*> MemoryModelStore::Require(std::string_view name) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  Model* model = Find(name);
  if (model == nullptr) return ModelNotFound(name);
  return model;
}

Result<ModelVersion*> MemoryModelStore::Require(std::string_view name, std::int64_t version) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  Model* model = Find(name);
  if (model == nullptr) return VersionNotFound(name, version);
  const auto found = model->versions.find(version);
  if (found == model->versions.end()) return VersionNotFound(name, version);
  return &found->second;
}

ModelVersion MemoryModelStore::View(const Model& model, const ModelVersion& version) const {
  ModelVersion view = version;
  for (const auto& [alias, target] : model.aliases) {
    if (target == version.version) view.aliases.push_back(alias);
  }
  return view;
}

RegisteredModel MemoryModelStore::View(const Model& model) const {
  RegisteredModel view = model.info;
  for (const auto& [alias, version] : model.aliases) view.aliases.push_back({alias, version});
  std::vector<ModelVersion> versions;
  versions.reserve(model.versions.size());
  for (const auto& [number, version] : model.versions) versions.push_back(View(model, version));
  view.latest_versions = LatestVersions(versions);
  return view;
}

void MemoryModelStore::Write(std::string_view action, std::string_view name, std::int64_t version,
                             std::string detail_json, const Actor& actor) {
  AuditEntry entry;
  entry.sequence = static_cast<std::int64_t>(audit_.size()) + 1;
  entry.time_ms = clock_.UnixNow();
  entry.actor = actor.name;
  entry.action = action;
  entry.model = name;
  entry.reason = actor.reason;
  entry.version = version;
  entry.detail_json = std::move(detail_json);
  if (!audit_.empty()) entry.previous_hash = audit_.back().hash;
  entry.hash = AuditHash(entry);
  audit_.push_back(std::move(entry));
}

void MemoryModelStore::Tell(EventText text, std::string_view name, std::int64_t version,
                            std::string_view alias) {
  if (text.kind.empty()) return;
  RegistryEvent event;
  event.sequence = ++last_event_;
  event.time_ms = clock_.UnixNow();
  event.kind = std::move(text.kind);
  event.payload_json = std::move(text.payload_json);
  event.model = name;
  event.alias = alias;
  event.version = version;
  events_.push_back(std::move(event));
  if (event_observer_) event_observer_();
}

Result<RegisteredModel> MemoryModelStore::CreateModel(std::string_view name,
                                                      std::string_view description,
                                                      const std::vector<Tag>& tags,
                                                      const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_ASSIGN_OR_RETURN(auto checked, CheckTags(tags));
  const std::lock_guard lock(mutex_);
  if (Find(name) != nullptr) return ModelExists(name);
  Model& model = models_[std::string(name)];
  model.info.name = name;
  model.info.description = description;
  model.info.tags = std::move(checked);
  model.info.creation_ms = model.info.last_updated_ms = clock_.UnixNow();
  Write("model.create", name, 0, DetailOfModel(description, model.info.tags), actor);
  Tell(ModelCreated(name, description, model.info.tags), name, 0, "");
  return View(model);
}

Result<RegisteredModel> MemoryModelStore::GetModel(std::string_view name) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* model, Require(name));
  return View(*model);
}

Result<RegisteredModel> MemoryModelStore::UpdateModel(std::string_view name,
                                                      std::string_view description,
                                                      const Actor& actor) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(Model * model, Require(name));
  model->info.description = description;
  model->info.last_updated_ms = clock_.UnixNow();
  Write("model.update", name, 0, DetailOfText("description", description), actor);
  return View(*model);
}

Result<RegisteredModel> MemoryModelStore::RenameModel(std::string_view name,
                                                      std::string_view new_name,
                                                      const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(new_name, "new_name"));
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* found, Require(name));
  if (name != new_name && Find(new_name) != nullptr) return ModelExists(new_name);
  Model model = *found;
  models_.erase(models_.find(name));
  const UnixMillis now = clock_.UnixNow();
  model.info.name = new_name;
  model.info.last_updated_ms = now;
  for (auto& [number, version] : model.versions) {
    version.name = new_name;
    version.last_updated_ms = now;
  }
  for (auto* requests : {&registered_, &promoted_}) {
    for (auto& [id, request] : *requests) {
      if (request.model == name) request.model = new_name;
    }
  }
  std::int64_t& last = last_version_[std::string(new_name)];
  last = std::max(last, last_version_[std::string(name)]);
  Write("model.rename", name, 0, DetailOfText("new_name", new_name), actor);
  return View(models_[std::string(new_name)] = std::move(model));
}

Status MemoryModelStore::DeleteModel(std::string_view name, const Actor& actor) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(Model * model, Require(name));
  while (!model->aliases.empty()) {
    const std::string alias = model->aliases.begin()->first;
    MoveAlias(*model, alias, 0, AliasMove::kRemove, actor);
  }
  models_.erase(models_.find(name));
  Write("model.delete", name, 0, "{}", actor);
  return Ok();
}

Result<ModelPage<RegisteredModel>> MemoryModelStore::SearchModels(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(const ModelSearch search, ParseModelSearch(query));
  const std::lock_guard lock(mutex_);
  std::vector<RegisteredModel> all;
  all.reserve(models_.size());
  for (const auto& [name, model] : models_) all.push_back(View(model));
  return Search(std::move(all), search);
}

Status MemoryModelStore::SetTag(std::string_view name, std::int64_t version, std::string_view key,
                                std::optional<std::string> value, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_RETURN_IF_ERROR(value ? CheckTag(key, *value) : CheckTagKey(key));
  const std::lock_guard lock(mutex_);
  std::vector<Tag>* tags = nullptr;
  if (version == 0) {
    MUSTER_ASSIGN_OR_RETURN(Model * model, Require(name));
    tags = &model->info.tags;
  } else {
    MUSTER_ASSIGN_OR_RETURN(ModelVersion * found, Require(name, version));
    tags = &found->tags;
  }
  const std::size_t erased = std::erase_if(*tags, [&](const Tag& tag) { return tag.key == key; });
  if (!value && erased == 0) return Ok();
  if (value) {
    const auto after =
        std::find_if(tags->begin(), tags->end(), [&](const Tag& tag) { return tag.key > key; });
    tags->insert(after, {std::string(key), *value});
  }
  Write(value ? "tag.set" : "tag.delete", name, version, DetailOfTag(key, value), actor);
  Tell(TagChanged(name, version, key, value, IsPrompt(Find(name)->info.tags)), name, version, "");
  return Ok();
}

Result<ModelVersion> MemoryModelStore::CreateVersion(const NewVersion& version,
                                                     const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(version.name));
  NewVersion made = version;
  MUSTER_ASSIGN_OR_RETURN(made.tags, CheckTags(version.tags));
  const std::lock_guard lock(mutex_);
  if (const auto before = registered_.find(version.request_id);
      !version.request_id.empty() && before != registered_.end()) {
    const Request& request = before->second;
    if (request.model != version.name) {
      return RequestReused(version.request_id, request.model, request.version);
    }
    MUSTER_ASSIGN_OR_RETURN(const ModelVersion* found, Require(version.name, request.version));
    return View(*Find(version.name), *found);
  }
  MUSTER_ASSIGN_OR_RETURN(Model * model, Require(version.name));
  const std::int64_t number = ++last_version_[version.name];
  ModelVersion& stored = model->versions[number];
  stored.name = made.name;
  stored.version = number;
  stored.creation_ms = stored.last_updated_ms = model->info.last_updated_ms = clock_.UnixNow();
  stored.description = made.description;
  stored.source = made.source;
  stored.run_id = made.run_id;
  stored.run_link = made.run_link;
  stored.model_id = made.model_id;
  stored.user_id = made.author.empty() ? actor.name : made.author;
  stored.tags = made.tags;
  if (!made.request_id.empty()) registered_[made.request_id] = {made.name, number};
  Write("version.create", made.name, number, DetailOfVersion(made), actor);
  Tell(VersionCreated(made, number), made.name, number, "");
  return stored;
}

Result<ModelVersion> MemoryModelStore::GetVersion(std::string_view name, std::int64_t version) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion* found, Require(name, version));
  return View(*Find(name), *found);
}

Result<ModelVersion> MemoryModelStore::FindVersionByRequest(std::string_view request_id) {
  const std::lock_guard lock(mutex_);
  const auto found = registered_.find(request_id);
  if (found == registered_.end()) return NoSuchRequest(request_id);
  const Request& request = found->second;
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion* version, Require(request.model, request.version));
  return View(*Find(request.model), *version);
}

Result<ModelVersion> MemoryModelStore::UpdateVersion(std::string_view name, std::int64_t version,
                                                     std::string_view description,
                                                     const Actor& actor) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(ModelVersion * found, Require(name, version));
  found->description = description;
  found->last_updated_ms = clock_.UnixNow();
  Write("version.update", name, version, DetailOfText("description", description), actor);
  return View(*Find(name), *found);
}

Result<ModelVersion> MemoryModelStore::TransitionStage(std::string_view name, std::int64_t version,
                                                       std::string_view stage,
                                                       bool archive_existing, const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(const std::string canonical, StageToEnter(stage, archive_existing));
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(ModelVersion * found, Require(name, version));
  Model& model = *Find(name);
  const UnixMillis now = clock_.UnixNow();
  for (auto& [number, other] : model.versions) {
    if (!archive_existing || number == version || other.stage != canonical) continue;
    other.stage = "Archived";
    other.last_updated_ms = now;
    Write("version.stage", name, number, DetailOfText("stage", other.stage), actor);
  }
  found->stage = canonical;
  found->last_updated_ms = model.info.last_updated_ms = now;
  Write("version.stage", name, version, DetailOfText("stage", canonical), actor);
  return View(model, *found);
}

Status MemoryModelStore::DeleteVersion(std::string_view name, std::int64_t version,
                                       const Actor& actor) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(Require(name, version));
  Model& model = *Find(name);
  const auto aliases = View(model, model.versions[version]).aliases;
  for (const std::string& alias : aliases) {
    MoveAlias(model, alias, 0, AliasMove::kRemove, actor);
  }
  model.versions.erase(version);
  model.info.last_updated_ms = clock_.UnixNow();
  Write("version.delete", name, version, "{}", actor);
  return Ok();
}

Result<ModelPage<ModelVersion>> MemoryModelStore::SearchVersions(const ModelQuery& query) {
  MUSTER_ASSIGN_OR_RETURN(const ModelSearch search, ParseVersionSearch(query));
  const std::lock_guard lock(mutex_);
  std::vector<ModelVersion> all;
  for (const auto& [name, model] : models_) {
    for (const auto& [number, version] : model.versions) all.push_back(View(model, version));
  }
  return Search(std::move(all), search);
}

void MemoryModelStore::MoveAlias(Model& model, std::string_view alias, std::int64_t version,
                                 AliasMove move, const Actor& actor) {
  const auto found = model.aliases.find(std::string(alias));
  const std::int64_t previous = found == model.aliases.end() ? 0 : found->second;
  if (version == 0) {
    model.aliases.erase(found);
  } else {
    model.aliases[std::string(alias)] = version;
  }
  model.history.push_back(
      {std::string(alias), version, previous, move, clock_.UnixNow(), actor.name, actor.reason});
  Write("alias." + std::string(AliasMoveName(move)), model.info.name,
        version == 0 ? previous : version, DetailOfAlias(alias, previous, version), actor);
  Tell(AliasChanged(model.info.name, alias, version, IsPrompt(model.info.tags)), model.info.name,
       version == 0 ? previous : version, alias);
}

Status MemoryModelStore::SetAlias(std::string_view name, std::string_view alias,
                                  std::int64_t version, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckModelName(name));
  MUSTER_RETURN_IF_ERROR(version == 0 ? CheckAlias(alias) : CheckNewAlias(alias));
  const std::lock_guard lock(mutex_);
  if (version != 0) MUSTER_RETURN_IF_ERROR(Require(name, version));
  MUSTER_ASSIGN_OR_RETURN(Model * model, Require(name));
  const auto found = model->aliases.find(std::string(alias));
  const std::int64_t now = found == model->aliases.end() ? 0 : found->second;
  if (now == version) return Ok();
  MoveAlias(*model, alias, version, version == 0 ? AliasMove::kRemove : AliasMove::kSet, actor);
  return Ok();
}

Result<ModelVersion> MemoryModelStore::GetByAlias(std::string_view name, std::string_view alias) {
  MUSTER_RETURN_IF_ERROR(CheckAlias(alias));
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* model, Require(name));
  if (IsLatest(alias)) {
    if (model->versions.empty()) return NoLatest(name);
    return View(*model, model->versions.rbegin()->second);
  }
  const auto found = model->aliases.find(std::string(alias));
  if (found == model->aliases.end()) return AliasNotFound(alias);
  return View(*model, model->versions.at(found->second));
}

Status MemoryModelStore::Promote(const Promotion& promotion, const Actor& actor) {
  MUSTER_RETURN_IF_ERROR(CheckNewAlias(promotion.alias));
  const std::lock_guard lock(mutex_);
  if (const auto before = promoted_.find(promotion.request_id);
      !promotion.request_id.empty() && before != promoted_.end()) {
    const Request& request = before->second;
    if (request.model == promotion.name && request.version == promotion.version) return Ok();
    Error reused = RequestReused(promotion.request_id, request.model, request.version);
    Write("alias.refused", promotion.name, promotion.version,
          DetailOfRefusal(promotion.alias, promotion.version, reused), actor);
    return reused;
  }
  MUSTER_RETURN_IF_ERROR(Require(promotion.name, promotion.version));
  Model& model = *Find(promotion.name);
  const auto found = model.aliases.find(promotion.alias);
  const std::int64_t seen = found == model.aliases.end() ? 0 : found->second;
  const auto refuse = [&](Error error) {
    Write("alias.refused", promotion.name, promotion.version,
          DetailOfRefusal(promotion.alias, promotion.version, error), actor);
    return error;
  };
  if (seen != promotion.expected) return refuse(AliasMoved(promotion, seen));
  if (promotion.approvals > 0) {
    return refuse(GuardedAlias(promotion.name, promotion.alias,
                               Unmet({.approvals = promotion.approvals, .author_may = false}, {})));
  }
  MoveAlias(model, promotion.alias, promotion.version,
            promotion.rollback ? AliasMove::kRollback : AliasMove::kPromote, actor);
  if (!promotion.request_id.empty()) {
    promoted_[promotion.request_id] = {promotion.name, promotion.version};
  }
  return Ok();
}

Result<std::vector<AliasChange>> MemoryModelStore::AliasHistory(std::string_view name) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* model, Require(name));
  return std::vector<AliasChange>(model->history.rbegin(), model->history.rend());
}

Status MemoryModelStore::RecordGates(std::string_view name, std::int64_t version,
                                     const std::vector<GateVerdict>& verdicts, const Actor& actor) {
  const std::lock_guard lock(mutex_);
  MUSTER_RETURN_IF_ERROR(Require(name, version));
  auto& kept = Find(name)->gates[version];
  kept.insert(kept.end(), verdicts.begin(), verdicts.end());
  Write("gates.record", name, version, DetailOfGates(verdicts), actor);
  return Ok();
}

Result<std::vector<GateVerdict>> MemoryModelStore::Gates(std::string_view name,
                                                         std::int64_t version) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* model, Require(name));
  const auto found = model->gates.find(version);
  return found == model->gates.end() ? std::vector<GateVerdict>{} : found->second;
}

Status MemoryModelStore::SetGateFile(std::string_view name, std::string_view text,
                                     std::string_view gates_json, const Actor& actor) {
  MUSTER_ASSIGN_OR_RETURN(GateFile file, CheckGateFile(text, gates_json));
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(Model * model, Require(name));
  file.from_ms = clock_.UnixNow();
  file.actor = actor.name;
  file.reason = actor.reason;
  Write("gates.set", name, 0, DetailOfGateFile(file), actor);
  model->gate_files.push_back(std::move(file));
  return Ok();
}

Result<std::vector<GateFile>> MemoryModelStore::GateFiles(std::string_view name) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Model* model, Require(name));
  return std::vector<GateFile>(model->gate_files.rbegin(), model->gate_files.rend());
}

Result<std::vector<AuditEntry>> MemoryModelStore::Audit(std::string_view name, std::int64_t after,
                                                        std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<AuditEntry> found;
  for (const AuditEntry& entry : audit_) {
    if (static_cast<std::int64_t>(found.size()) >= limit) break;
    if (entry.sequence > after && (name.empty() || entry.model == name)) found.push_back(entry);
  }
  return found;
}

Status MemoryModelStore::VerifyAudit() {
  const std::lock_guard lock(mutex_);
  AuditVerifier verifier;
  for (const AuditEntry& entry : audit_) MUSTER_RETURN_IF_ERROR(verifier.Add(entry));
  return Ok();
}

Status MemoryModelStore::AppendAudit(std::string_view action, std::string_view name,
                                     std::int64_t version, std::string_view detail_json,
                                     const Actor& actor, std::string_view request_id) {
  MUSTER_ASSIGN_OR_RETURN(std::string detail, CanonicalJson(detail_json));
  const std::lock_guard lock(mutex_);
  if (!request_id.empty() && !appended_.emplace(request_id, audit_.size()).second) return Ok();
  Write(action, name, version, std::move(detail), actor);
  return Ok();
}

Result<AuditEntry> MemoryModelStore::FindAuditByRequest(std::string_view request_id) {
  const std::lock_guard lock(mutex_);
  const auto found = appended_.find(request_id);
  if (found == appended_.end()) return NoSuchRequest(request_id);
  return audit_[found->second];
}

Result<std::vector<RegistryEvent>> MemoryModelStore::PendingEvents(std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  const auto count = std::min<std::size_t>(events_.size(), static_cast<std::size_t>(limit));
  return std::vector<RegistryEvent>(events_.begin(),
                                    events_.begin() + static_cast<std::ptrdiff_t>(count));
}

Status MemoryModelStore::AcknowledgeEvents(std::int64_t sequence) {
  const std::lock_guard lock(mutex_);
  std::erase_if(events_, [&](const RegistryEvent& event) { return event.sequence <= sequence; });
  return Ok();
}

}  // namespace muster::registry
