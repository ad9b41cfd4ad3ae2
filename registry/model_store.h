#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/statistics/interval.h"
#include "runtime/base/result.h"

/// The model registry's port: models, versions, aliases, tags, and a hash-chained audit of every change.
/// Semantics of the MLflow part are MLflow 3.18's; promotion is ours. Adapters: registry/sqlite and
/// memory_model_store for tests; one contract suite runs on both.
///
/// Threads: any. Every change is durable when its call returns, and is one transaction with its audit
/// entry and its event: there is no alias move, gate verdict or deletion that the audit does not hold.
///
/// An alias may be guarded by a policy (approval.h): what would move it is kFenced, with the unmet conditions in words,
/// until they are met; it is not removed, and its version and model are not deleted or renamed. A rollback goes to
/// versions that the alias named before, without new approvals. What is kFenced or kConflict for an alias leaves an
/// `alias.refused` in the audit.
///
/// Errors carry MLflow's own texts ("Registered Model with name=digits not found"): kInvalid is its
/// INVALID_PARAMETER_VALUE, kNotFound its RESOURCE_DOES_NOT_EXIST, kAlreadyExists its
/// RESOURCE_ALREADY_EXISTS, kConflict is ours. One exception for routes that speak MLflow: a missing
/// alias of a model that exists is kNotFound here and INVALID_PARAMETER_VALUE there.

namespace muster::registry {

struct Tag {
  std::string key, value;
};
struct AliasEntry {
  std::string alias;
  std::int64_t version = 0;
};

struct ModelVersion {
  std::string name;
  std::int64_t version = 0;
  std::int64_t creation_ms = 0, last_updated_ms = 0;
  std::string stage = "None", description, source, run_id, run_link, model_id, user_id;
  std::string status = "READY", status_message;
  std::vector<Tag> tags;
  std::vector<std::string> aliases;
};

struct RegisteredModel {
  std::string name, description;
  std::int64_t creation_ms = 0, last_updated_ms = 0;
  std::vector<Tag> tags;
  std::vector<AliasEntry> aliases;
  std::vector<ModelVersion> latest_versions;  ///< the newest of each stage
};

/// Who does it and why; both end up in the audit entry.
struct Actor {
  std::string name = "unknown";
  std::string reason;
};

struct NewVersion {
  std::string name, source, run_id, run_link, description, model_id;
  std::vector<Tag> tags;
  /// Not empty: registering the same id again answers the version it made the first time.
  std::string request_id;
  std::string author = {};  ///< whose work it is, its user_id; empty: the actor's
};

/// One gate's verdict on one candidate, kept for ever. Those of muster before `kind` have the first five members.
struct GateVerdict {
  std::string gate;  ///< "test/accuracy >= 0.97", "better than champion on test/accuracy", "parity"
  bool passed = false;
  double seen = 0;  ///< the figure the verdict rests on; NaN when there is none
  double wanted = 0;
  std::string detail;     ///< a sentence for people
  std::string kind = {};  ///< "threshold", "better_than", ...: registry/gates.h
  /// Of what `method` says: the figure, or the difference of two.
  std::optional<statistics::Interval> interval = std::nullopt;
  std::int64_t rows = 0;         ///< that were used; of latency: calls
  std::string rows_sha256 = {};  ///< RowsDigest of all held-out rows, hex
  std::string method = {};       ///< in words: test, interval, resamples
};

/// A model's gate file as it was set.
struct GateFile {
  std::string text;        ///< as it was written; empty: the file was taken away
  std::string gates_json;  ///< what it says, canonical JSON of wire::GateSpec; "[]" when taken away
  std::int64_t from_ms = 0;
  std::string actor, reason;
};
/// Of `text`, in bytes.
inline constexpr std::size_t kGateFileBytesMost = 64 * 1024;

struct AuditEntry {
  std::int64_t sequence = 0;
  std::int64_t time_ms = 0;
  std::string actor, action, model, reason;
  std::int64_t version = 0;  ///< 0: the model as a whole
  std::string detail_json;   ///< what the action changed, canonical JSON
  std::string previous_hash,
      hash;                    ///< SHA-256 in hex; hash covers previous_hash and every field above
  std::string signature = {};  ///< of hash, base64 (signing_key.h); empty: written without a key
};

enum class AliasMove { kSet, kPromote, kRollback, kRemove };
/// "set", "promote", "rollback", "remove".
std::string_view AliasMoveName(AliasMove move);

/// An alias pointed at `version` from `from_ms` until the next entry of the same alias.
struct AliasChange {
  std::string alias;
  std::int64_t version = 0;   ///< 0: removed
  std::int64_t previous = 0;  ///< what it pointed at before; 0: at nothing
  AliasMove move = AliasMove::kSet;
  std::int64_t from_ms = 0;
  std::string actor, reason;
};

struct Promotion {
  std::string name, alias;
  std::int64_t version = 0;
  /// The compare of compare-and-swap: what the alias must point at now; 0: at nothing.
  std::int64_t expected = 0;
  std::string request_id;  ///< the same id twice is the same promotion; empty: not remembered
  bool rollback = false;   ///< written to history and audit as a rollback
  int approvals = 0;  ///< so many are wanted where no policy guards the alias, never the author's
  bool wait = false;  ///< refused for want of approvals: goes on by itself with the last of them
};

/// What others want to hear of (web hooks, model servers), kept until acknowledged. `kind` is MLflow's
/// web hook event, "model_version.created" say; webhook_event.h has all of them.
struct RegistryEvent {
  std::int64_t sequence = 0;
  std::int64_t time_ms = 0;
  std::string kind, model, alias;
  std::int64_t version = 0;
  std::string payload_json;  ///< what a web hook is told; "{}" in events of schema version 1
};

struct ModelQuery {
  std::string filter;
  std::vector<std::string> order_by;
  std::int64_t max_results = 100;  ///< from 1 to 1,000 models or 200,000 versions
  std::string page_token;
};
template <typename T>
struct ModelPage {
  std::vector<T> items;
  std::string next_page_token;
};

class ModelStore {
 public:
  virtual ~ModelStore() = default;

  virtual Result<RegisteredModel> CreateModel(std::string_view name, std::string_view description,
                                              const std::vector<Tag>& tags, const Actor& actor) = 0;
  virtual Result<RegisteredModel> GetModel(std::string_view name) = 0;
  virtual Result<RegisteredModel> UpdateModel(std::string_view name, std::string_view description,
                                              const Actor& actor) = 0;
  /// Versions, aliases, gates, history and request ids follow; the audit keeps the old name in the old entries.
  virtual Result<RegisteredModel> RenameModel(std::string_view name, std::string_view new_name,
                                              const Actor& actor) = 0;
  /// With its versions, tags and aliases. A model of that name made later goes on with the next number.
  virtual Status DeleteModel(std::string_view name, const Actor& actor) = 0;
  virtual Result<ModelPage<RegisteredModel>> SearchModels(const ModelQuery& query) = 0;
  /// No value: deletes; deleting a missing tag succeeds. version 0: of the model itself.
  virtual Status SetTag(std::string_view name, std::int64_t version, std::string_view key,
                        std::optional<std::string> value, const Actor& actor) = 0;

  /// Version numbers grow by one and are never reused.
  virtual Result<ModelVersion> CreateVersion(const NewVersion& version, const Actor& actor) = 0;
  virtual Result<ModelVersion> GetVersion(std::string_view name, std::int64_t version) = 0;
  /// What CreateVersion made for this request id; kNotFound when it made nothing, or it is deleted.
  virtual Result<ModelVersion> FindVersionByRequest(std::string_view request_id) = 0;
  virtual Result<ModelVersion> UpdateVersion(std::string_view name, std::int64_t version,
                                             std::string_view description, const Actor& actor) = 0;
  virtual Result<ModelVersion> TransitionStage(std::string_view name, std::int64_t version,
                                               std::string_view stage, bool archive_existing,
                                               const Actor& actor) = 0;
  /// Aliases that point at it go too. Its number, gates and audit entries stay.
  virtual Status DeleteVersion(std::string_view name, std::int64_t version, const Actor& actor) = 0;
  virtual Result<ModelPage<ModelVersion>> SearchVersions(const ModelQuery& query) = 0;

  /// Unconditional, as MLflow's client asks for it. version 0: removes, also when it is not there.
  virtual Status SetAlias(std::string_view name, std::string_view alias, std::int64_t version,
                          const Actor& actor) = 0;
  /// kNotFound when the model or alias is missing. "latest" in any case is the highest version.
  virtual Result<ModelVersion> GetByAlias(std::string_view name, std::string_view alias) = 0;
  /// Moves an alias by compare-and-swap, with history, audit and event, in one transaction. kConflict
  /// names what the alias points at. A request_id that moved something else before is kConflict too. kFenced:
  /// approvals are wanted; with `wait` the promotion is kept, and dropped when the alias has moved meanwhile.
  virtual Status Promote(const Promotion& promotion, const Actor& actor) = 0;
  /// Newest first; all aliases of the model.
  virtual Result<std::vector<AliasChange>> AliasHistory(std::string_view name) = 0;

  /// Adds to what is recorded already.
  virtual Status RecordGates(std::string_view name, std::int64_t version,
                             const std::vector<GateVerdict>& verdicts, const Actor& actor) = 0;
  virtual Result<std::vector<GateVerdict>> Gates(std::string_view name, std::int64_t version) = 0;

  /// Makes it the model's gate file; the earlier ones stay as history. What it says is the caller's to check. kInvalid
  /// when `gates_json` is no JSON, or the text too long.
  virtual Status SetGateFile(std::string_view name, std::string_view text,
                             std::string_view gates_json, const Actor& actor) = 0;
  /// Newest first: the first is in force. Empty when none was ever set.
  virtual Result<std::vector<GateFile>> GateFiles(std::string_view name) = 0;

  /// Oldest first, from sequence `after` + 1; an empty name: of all models.
  virtual Result<std::vector<AuditEntry>> Audit(std::string_view name, std::int64_t after,
                                                std::int64_t limit) = 0;
  /// Recomputes the whole chain; kCorrupt names the first entry that does not fit.
  virtual Status VerifyAudit() = 0;
  /// A free entry (a retraining decision, say) in the chain; the model need not exist. Not empty
  /// `request_id`: written once only. kInvalid when `detail_json` is no JSON.
  virtual Status AppendAudit(std::string_view action, std::string_view name, std::int64_t version,
                             std::string_view detail_json, const Actor& actor,
                             std::string_view request_id) = 0;
  /// What AppendAudit wrote for this request id; kNotFound.
  virtual Result<AuditEntry> FindAuditByRequest(std::string_view request_id) = 0;

  /// Oldest first.
  virtual Result<std::vector<RegistryEvent>> PendingEvents(std::int64_t limit) = 0;
  /// Forgets events up to and with `sequence`.
  virtual Status AcknowledgeEvents(std::int64_t sequence) = 0;
  /// Called when a change leaves an event, on the change's thread and with the store locked: it may wake
  /// whoever reads the events (who then sees it), and must not call the store. Set before others use the store.
  virtual void SetEventObserver(std::function<void()> observer) = 0;
};

/// Where a rollback of `alias` leads: the version under the current one when every set and promotion
/// pushes and every rollback pops, so that two rollbacks go back two steps. Removals, and versions that do not
/// exist any more, are passed over. kNotFound when there is none. `history` is newest first, as AliasHistory
/// answers. Pure but for `exists`.
Result<std::int64_t> RollbackTarget(const std::vector<AliasChange>& history, std::string_view alias,
                                    const std::function<bool(std::int64_t version)>& exists);

}  // namespace muster::registry
