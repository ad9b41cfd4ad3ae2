#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "registry/model_store.h"
#include "registry/trust_store.h"
#include "registry/webhook_event.h"
#include "runtime/base/clock.h"
#include "runtime/sqlite/database.h"

namespace muster::registry {

/// The private key of the audit, below the folder of registry.db: Ed25519 in PEM.
inline constexpr std::string_view kAuditKeyFile = "keys/audit-signing.pem";

/// The durable model store: registry.db. One connection behind a mutex; a change is a savepoint with
/// its audit entry, its event and its request id, on disk when the call returns. Changes that wait for the mutex while
/// another commits go into the next commit together: a disk that syncs a hundred times a second takes thousands of
/// promotions. Reads take tens of microseconds; searches without `name = '...'` read all rows of their kind.
class SqliteModelStore final : public ModelStore, public TrustStore {
 public:
  /// Opens or creates. `clock` must outlive the store. With a key audit entries are signed; the first of a key tells of
  /// it (`audit.key`).
  static Result<std::unique_ptr<SqliteModelStore>> Open(
      const std::filesystem::path& file, const Clock& clock,
      std::optional<SigningKey> key = std::nullopt);
  /// With the key in kAuditKeyFile beside the file, which is made with mode 0600 when it is missing.
  static Result<std::unique_ptr<SqliteModelStore>> OpenSigned(const std::filesystem::path& file,
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

  Result<std::optional<ApprovalPolicy>> Policy(std::string_view model) override;
  Status SetPolicy(std::string_view model, const std::optional<ApprovalPolicy>& policy,
                   const Actor& actor) override;
  Result<std::string> AddToken(std::string_view person, const Actor& actor) override;
  Status RevokeTokens(std::string_view person, const Actor& actor) override;
  Result<std::string> PersonOf(std::string_view token) override;
  Result<ApprovalState> Decide(const Decision& decision) override;
  Result<ApprovalState> Approvals(std::string_view model, std::int64_t version) override;
  Result<Served> ServedAt(std::string_view model, std::string_view alias,
                          std::int64_t at_ms) override;
  Result<AuditReport> CheckAudit(const AuditCheck& check) override;
  Result<std::string> AuditKey() override;

 private:
  struct Request {
    std::string model;
    std::int64_t number = 0;
  };

  /// Changes that are committed together.
  struct Batch {
    std::size_t size = 0;
    bool done = false;
    Status status;
  };

  SqliteModelStore(sqlite::Database database, std::filesystem::path file, const Clock& clock,
                   std::optional<SigningKey> key)
      : db_(std::move(database)), file_(std::move(file)), clock_(clock), key_(std::move(key)) {}

  /// Runs `body`, which answers a Status or Result, as one transaction.
  template <typename Body>
  auto Change(Body body) -> std::invoke_result_t<Body> {
    if constexpr (std::is_same_v<std::invoke_result_t<Body>, Status>) {
      return Transact(body);
    } else {
      std::optional<std::invoke_result_t<Body>> made;
      Status status = Transact([&]() -> Status {
        made.emplace(body());
        return made->ok() ? Ok() : Status(made->error());
      });
      if (!status.ok()) return status.error();
      return std::move(*made);
    }
  }
  /// A change that may be refused and yet leave a trace: `body` answers an error for what undoes it, a value for what
  /// is written down, and that value is what the caller gets.
  Status ChangeOrRefuse(const std::function<Result<Status>()>& body);
  Status Transact(const std::function<Status()>& body);
  /// The lock for reads: what they see is committed.
  std::unique_lock<std::mutex> Reading();

  // All below: `mutex_` is held.

  Status RunInSavepoint(const std::function<Status()>& body);
  void EndBatch(Status status);
  Status StartKey();

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
  /// The sequence of the entry is db_.last_insert_id() then.
  Status Write(std::string_view action, std::string_view name, std::int64_t version,
               std::string_view detail_json, const Actor& actor);
  /// Writes the attempt down and answers `error`, for ChangeOrRefuse.
  Result<Status> Refuse(Error error, std::string_view name, std::int64_t version,
                        std::string_view alias, std::int64_t to, const Actor& actor);
  /// Answers kFenced, written down, when the policy of `name` guards one of the aliases.
  Result<Status> RefuseGuarded(std::string_view verb, std::string_view name, std::int64_t version,
                               const std::vector<std::string>& aliases, const Actor& actor);
  Result<std::optional<ApprovalPolicy>> LoadPolicy(std::string_view model);
  Result<std::vector<Approval>> LoadApprovals(std::int64_t model, std::int64_t version);
  /// Verdicts whose entry is before `audit`, oldest first.
  Result<std::vector<GateVerdict>> LoadVerdicts(std::int64_t model, std::int64_t version,
                                                std::int64_t audit);
  Result<ApprovalCase> CaseOf(std::int64_t model, const ModelVersion& version);
  /// What stands between a version and an alias; empty: nothing.
  Result<std::vector<std::string>> UnmetFor(std::int64_t model, const ModelVersion& version,
                                            std::string_view alias, int approvals);
  Result<bool> NamedBefore(std::int64_t model, std::string_view alias, std::int64_t version);
  Status Await(std::int64_t model, const Promotion& promotion, const Actor& actor);
  Result<std::vector<AliasEntry>> PromoteWaiting(std::int64_t model, const ModelVersion& version);
  Result<ApprovalState> StateOf(std::int64_t model, const ModelVersion& version);
  Status Tell(const EventText& text, std::string_view name, std::int64_t version,
              std::string_view alias);
  /// Of a registered model that is a prompt.
  Result<bool> OfPrompt(std::int64_t model);
  Result<std::optional<Request>> FindRequest(std::string_view kind, std::string_view id);
  Status RememberRequest(std::string_view kind, std::string_view id, std::string_view model,
                         std::int64_t number);

  std::mutex mutex_;  ///< guards db_ and batch_
  sqlite::Database db_;
  const std::filesystem::path file_;
  const Clock& clock_;
  const std::optional<SigningKey> key_;
  std::shared_ptr<Batch> batch_;  ///< of the open transaction, if there is one
  std::condition_variable batch_done_;
  std::atomic<int> waiting_ = 0;  ///< changes that are about to lock mutex_
  std::function<void()> event_observer_;
};

}  // namespace muster::registry
