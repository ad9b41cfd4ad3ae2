#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "registry/model_store.h"
#include "registry/webhook_event.h"
#include "runtime/base/clock.h"

namespace muster::registry {

/// The model store's twin in memory, for tests and as the semantics in plain sight; nothing is durable.
/// Every change checks everything before it changes anything, so a refused change leaves no trace but its audit entry.
/// It keeps no policies: nothing is guarded here, and a promotion that wants approvals is refused.
/// `clock` must outlive the store.
class MemoryModelStore : public ModelStore {
 public:
  explicit MemoryModelStore(const Clock& clock) : clock_(clock) {}

  Result<RegisteredModel> CreateModel(std::string_view name, std::string_view description,
                                      const std::vector<Tag>& tags, const Actor& actor) override;
  Result<RegisteredModel> GetModel(std::string_view name) override;
  Result<RegisteredModel> UpdateModel(std::string_view name, std::string_view description,
                                      const Actor& actor) override;
  Result<RegisteredModel> RenameModel(std::string_view name, std::string_view new_name,
                                      const Actor& actor) override;
  Status DeleteModel(std::string_view name, const Actor& actor) override;
  Result<ModelPage<RegisteredModel>> SearchModels(const ModelQuery& query) override;
  Status SetTag(std::string_view name, std::int64_t version, std::string_view key,
                std::optional<std::string> value, const Actor& actor) override;
  Result<ModelVersion> CreateVersion(const NewVersion& version, const Actor& actor) override;
  Result<ModelVersion> GetVersion(std::string_view name, std::int64_t version) override;
  Result<ModelVersion> FindVersionByRequest(std::string_view request_id) override;
  Result<ModelVersion> UpdateVersion(std::string_view name, std::int64_t version,
                                     std::string_view description, const Actor& actor) override;
  Result<ModelVersion> TransitionStage(std::string_view name, std::int64_t version,
                                       std::string_view stage, bool archive_existing,
                                       const Actor& actor) override;
  Status DeleteVersion(std::string_view name, std::int64_t version, const Actor& actor) override;
  Result<ModelPage<ModelVersion>> SearchVersions(const ModelQuery& query) override;
  Status SetAlias(std::string_view name, std::string_view alias, std::int64_t version,
                  const Actor& actor) override;
  Result<ModelVersion> GetByAlias(std::string_view name, std::string_view alias) override;
  Status Promote(const Promotion& promotion, const Actor& actor) override;
  Result<std::vector<AliasChange>> AliasHistory(std::string_view name) override;
  Status RecordGates(std::string_view name, std::int64_t version,
                     const std::vector<GateVerdict>& verdicts, const Actor& actor) override;
  Result<std::vector<GateVerdict>> Gates(std::string_view name, std::int64_t version) override;
  Status SetGateFile(std::string_view name, std::string_view text, std::string_view gates_json,
                     const Actor& actor) override;
  Result<std::vector<GateFile>> GateFiles(std::string_view name) override;
  Result<std::vector<AuditEntry>> Audit(std::string_view name, std::int64_t after,
                                        std::int64_t limit) override;
  Status VerifyAudit() override;
  Status AppendAudit(std::string_view action, std::string_view name, std::int64_t version,
                     std::string_view detail_json, const Actor& actor,
                     std::string_view request_id) override;
  Result<AuditEntry> FindAuditByRequest(std::string_view request_id) override;
  Result<std::vector<RegistryEvent>> PendingEvents(std::int64_t limit) override;
  Status AcknowledgeEvents(std::int64_t sequence) override;
  void SetEventObserver(std::function<void()> observer) override {
    event_observer_ = std::move(observer);
  }

 private:
  struct Model {
    RegisteredModel info;  ///< without aliases and latest_versions
    std::map<std::int64_t, ModelVersion> versions;
    std::map<std::string, std::int64_t> aliases;
    std::vector<AliasChange> history;  ///< oldest first
    std::map<std::int64_t, std::vector<GateVerdict>> gates;
    std::vector<GateFile> gate_files;  ///< oldest first
  };
  struct Request {
    std::string model;
    std::int64_t version = 0;
  };

  // All below: `mutex_` is held.
  Model* Find(std::string_view name);
  Result<Model*> Require(std::string_view name);
  Result<ModelVersion*> Require(std::string_view name, std::int64_t version);
  RegisteredModel View(const Model& model) const;
  ModelVersion View(const Model& model, const ModelVersion& version) const;
  void MoveAlias(Model& model, std::string_view alias, std::int64_t version, AliasMove move,
                 const Actor& actor);
  void Write(std::string_view action, std::string_view name, std::int64_t version,
             std::string detail_json, const Actor& actor);
  void Tell(EventText text, std::string_view name, std::int64_t version, std::string_view alias);

  const Clock& clock_;
  std::mutex mutex_;  ///< guards all below
  std::map<std::string, Model, std::less<>> models_;
  std::map<std::string, std::int64_t, std::less<>> last_version_;  ///< outlives its model
  std::map<std::string, Request, std::less<>> registered_, promoted_;
  std::map<std::string, std::size_t, std::less<>> appended_;  ///< to the index in audit_
  std::vector<AuditEntry> audit_;
  std::vector<RegistryEvent> events_;
  std::int64_t last_event_ = 0;
  std::function<void()> event_observer_;
};

}  // namespace muster::registry
