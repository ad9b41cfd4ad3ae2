#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "registry/model_store.h"
#include "registry/webhook_event.h"
#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"

namespace muster::registry {

/// The durable model store: registry.db. One connection behind a mutex; a change is one transaction with
/// its audit entry, its event and its request id, on disk when the call returns. Changes are rare (people
/// and sweeps make them), reads take tens of microseconds; searches without `name = '...'` read all rows
/// of their kind.
class SqliteModelStore final : public ModelStore {
 public:
  /// Opens or creates. `clock` must outlive the store.
  static Result<std::unique_ptr<SqliteModelStore>> Open(const std::filesystem::path& file,
                                                        const Clock& clock);

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
  struct Request {
    std::string model;
    std::int64_t number = 0;
  };

  SqliteModelStore(sqlite::Database database, const Clock& clock)
      : db_(std::move(database)), clock_(clock) {}

  /// Runs `body`, which answers a Status or Result, as one transaction.
  template <typename Body>
  auto Change(Body body) -> std::invoke_result_t<Body> {
    const std::lock_guard lock(mutex_);
    if constexpr (std::is_same_v<std::invoke_result_t<Body>, Status>) {
      return db_.Transact(body);
    } else {
      std::optional<std::invoke_result_t<Body>> made;
      Status status = db_.Transact([&]() -> Status {
        made.emplace(body());
        return made->ok() ? Ok() : Status(made->error());
      });
      if (!status.ok()) return status.error();
      return std::move(*made);
    }
  }

  // All below: `mutex_` is held.

  /// The row id of a model; kInvalid or kNotFound.
  Result<std::int64_t> Require(std::string_view name);
  Result<RegisteredModel> LoadModel(std::string_view name);
  Status FillAliases(std::int64_t id, RegisteredModel& model);
  Result<ModelVersion> LoadVersion(std::string_view name, std::int64_t version);
  /// All versions, or those of one model, or the newest of each of its stages.
  enum class Which { kAll, kNewestOfStages };
  Result<std::vector<ModelVersion>> LoadVersions(std::optional<std::int64_t> model, Which which);
  Result<std::vector<Tag>> LoadTags(std::int64_t model, std::int64_t version);
  Status InsertTags(std::int64_t model, std::int64_t version, const std::vector<Tag>& tags);
  Status Touch(std::int64_t model);
  Result<std::int64_t> NextVersion(std::string_view name);
  /// What the alias names; 0: nothing.
  Result<std::int64_t> AliasTarget(std::int64_t model, std::string_view alias);
  Status MoveAlias(std::string_view name, std::int64_t model, std::string_view alias,
                   std::int64_t version, AliasMove move, const Actor& actor);
  Status Write(std::string_view action, std::string_view name, std::int64_t version,
               std::string_view detail_json, const Actor& actor);
  Status Tell(const EventText& text, std::string_view name, std::int64_t version,
              std::string_view alias);
  /// Of a registered model that is a prompt.
  Result<bool> OfPrompt(std::int64_t model);
  Result<std::optional<Request>> FindRequest(std::string_view kind, std::string_view id);
  Status RememberRequest(std::string_view kind, std::string_view id, std::string_view model,
                         std::int64_t number);

  std::mutex mutex_;  ///< guards db_
  sqlite::Database db_;
  const Clock& clock_;
  std::function<void()> event_observer_;
};

}  // namespace muster::registry
