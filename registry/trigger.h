#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

/// What submits a sweep again: a clock or a person. Pure but for its store and the submit function.
///
///   1. A firing is claimed in the store, unique by (trigger, scheduled time): a restart claims no time twice.
///   2. Its sweep "<trigger>-<time>" is submitted; the coordinator takes an id twice as the same sweep.
///   3. The firing is marked submitted, or refused with the coordinator's words.
///   4. When the sweep's model was judged, the decision is written to the firing.
///
/// A crash between 1 and 3 leaves a claimed firing, which the next Tick submits. Times that were missed while
/// nothing ran are caught up once: the latest of them fires, the earlier ones do not.

namespace muster::registry {

struct Trigger {
  std::string name;        ///< [A-Za-z0-9_-], 1 to 100 characters
  std::string sweep_json;  ///< a SweepSpec as JSON
  std::string cron;        ///< empty: manual only
  bool enabled = true;
  std::int64_t created_unix = 0;
};

enum class FiringState { kClaimed, kSubmitted, kRefused, kDecided };

struct Firing {
  std::string trigger;
  std::int64_t scheduled_unix = 0;  ///< of a manual one: when it was asked for
  std::int64_t fired_unix = 0;
  bool manual = false;
  std::string why;  ///< "cron 0 3 * * *", or the actor's reason
  SweepId sweep;
  FiringState state = FiringState::kClaimed;
  std::string detail;         ///< of a refusal, or why a claimed one could not be submitted yet
  std::string decision_json;  ///< PromotionResult; empty until decided
};

/// Adapter: registry/sqlite. Threads: any; durable when a call returns.
class TriggerStore {
 public:
  virtual ~TriggerStore() = default;
  /// Replaces sweep, cron and enabled of a trigger that exists; its created_unix becomes the new one.
  virtual Status Put(const Trigger& trigger) = 0;
  virtual Result<Trigger> Get(std::string_view name) = 0;
  virtual Result<std::vector<Trigger>> List() = 0;   ///< by name
  virtual Status Delete(std::string_view name) = 0;  ///< kNotFound; its firings stay
  /// False when (trigger, scheduled time) is claimed already.
  virtual Result<bool> Claim(const Firing& firing) = 0;
  /// By (trigger, scheduled time): state, detail and decision.
  virtual Status Update(const Firing& firing) = 0;
  /// Newest first; an empty name: of all triggers.
  virtual Result<std::vector<Firing>> Firings(std::string_view trigger, std::int64_t limit) = 0;
  virtual Result<std::vector<Firing>> Claimed() = 0;  ///< oldest first
  virtual Result<Firing> FindBySweep(const SweepId& sweep) = 0;
  /// The latest scheduled time that is claimed, manual ones aside; none: 0.
  virtual Result<std::int64_t> LastScheduled(std::string_view trigger) = 0;
};

/// Any thread, when `submit` may be called from any; it keeps no state of its own. The store must outlive it.
class TriggerService {
 public:
  /// Submits the sweep under this id; idempotent. kInvalid, kUnsupported and kConflict are final.
  using Submit = std::function<Status(const SweepId& sweep, const std::string& sweep_json)>;

  TriggerService(TriggerStore& store, Submit submit) : store_(store), submit_(std::move(submit)) {}

  /// kInvalid names what is wrong with name, cron or sweep.
  static Status Check(const Trigger& trigger, std::int64_t now_unix);
  /// Stores it. The errors of Check, and the store's.
  Status Add(Trigger trigger, std::int64_t now_unix);
  /// Claims what is due and submits what is claimed. Answers when to be called again: the next due time, a
  /// minute from now when a submit has to be tried again, or none.
  Result<std::optional<std::int64_t>> Tick(std::int64_t now_unix);
  /// Fires now, also when disabled. Twice in the same second is one firing. One that could not be submitted is
  /// answered as claimed; a later Tick submits it.
  Result<Firing> Fire(std::string_view name, std::int64_t now_unix, std::string_view why);
  /// Writes the decision about a sweep that a trigger submitted; other sweeps are none of its business.
  Status RecordDecision(const SweepId& sweep, const std::string& decision_json);

 private:
  Status ClaimDue(const Trigger& trigger, std::int64_t now_unix);
  /// Submits a claimed firing and writes down what came of it, in `firing` and the store; an error is the store's.
  Status SubmitOne(Firing& firing);

  TriggerStore& store_;
  Submit submit_;
};

}  // namespace muster::registry
