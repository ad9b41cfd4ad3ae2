#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"

/// Triggers, their firings, and the port that keeps both. What happens with them: loop/trigger_service.h.

namespace muster::registry {

struct Trigger {
  std::string name;        ///< [A-Za-z0-9_-], 1 to 100 characters
  std::string sweep_json;  ///< a SweepSpec as JSON
  wire::RetrainSpec when;  ///< nothing in it: by hand only
  bool enabled = true;
  std::int64_t created_unix = 0;
  std::string secret = {};  ///< of the web hook; never shown
};

/// Something else than a person may ask for it.
[[nodiscard]] bool ComesByItself(const wire::RetrainSpec& when);

/// Where a retraining stands. "Open" are all but refused, decided and skipped.
enum class FiringState {
  kClaimed,    ///< asked for; its guards are not judged, or its sweep is not submitted yet
  kSubmitted,  ///< its sweep runs, or its best model is judged
  kRefused,    ///< the coordinator takes no such sweep
  kDecided,    ///< over; `outcome` says how
  kHeld,       ///< a guard holds it back for now
  kSkipped,    ///< a guard turned it down
  kWaiting,    ///< its version waits for approvals
  kCanary,     ///< its version is @challenger
};
/// "claimed", "submitted", ...
std::string_view FiringStateName(FiringState state);

struct Firing {
  std::string trigger;
  std::int64_t scheduled_unix = 0;  ///< of what no clock asked for: when it was asked for
  std::int64_t fired_unix = 0;
  std::string kind;  ///< "cron", "manual", "data", "webhook", or a signal's
  std::string why;   ///< "cron 0 3 * * *", "drift 0.31: feature age", or the actor's reason
  SweepId sweep;     ///< its id, and its sweep's when it has one
  FiringState state = FiringState::kClaimed;
  std::string detail;         ///< why it stands where it stands
  std::string decision_json;  ///< PromotionResult; empty until decided

  std::string model, alias;   ///< that the sweep is to move; empty: no model
  std::string dedup_key;      ///< empty: none
  std::int64_t champion = 0;  ///< what the alias named when this state began; 0: nothing
  std::string spec_json;      ///< the sweep as it is submitted; empty until its guards let it pass
  std::int64_t since_unix = 0;                      ///< when this state began
  std::int64_t submitted_unix = 0, ended_unix = 0;  ///< 0: not yet
  double trial_seconds = 0;                         ///< slots times time that its sweep took
  std::string
      outcome;  ///< promoted, gated, rejected, expired, superseded, rolled_back, failed, done
  std::int64_t version = 0;  ///< that came of it; 0: none
  std::string waits_for;     ///< of kWaiting: the alias
};
[[nodiscard]] bool IsOpen(const Firing& firing);

/// One line of a firing's story: what was seen, what was decided, and why.
struct Step {
  std::int64_t time_unix = 0;
  std::string what;  ///< signal, guard, plan, submit, sweep, gate, approval, canary, end
  std::string seen, decided, why;
};

/// Adapter: registry/sqlite. Threads: any; durable when a call returns.
class TriggerStore {
 public:
  virtual ~TriggerStore() = default;
  /// Replaces all of a trigger that exists; its created_unix becomes the new one.
  virtual Status Put(const Trigger& trigger) = 0;
  virtual Result<Trigger> Get(std::string_view name) = 0;
  virtual Result<std::vector<Trigger>> List() = 0;   ///< by name
  virtual Status Delete(std::string_view name) = 0;  ///< kNotFound; its firings stay

  /// False when (trigger, scheduled time) is claimed already. With its first steps, and `receipts`: what is taken from a
  /// trigger's senders once only; kAlreadyExists when one of them was, and nothing is claimed.
  virtual Result<bool> Claim(const Firing& firing, const std::vector<Step>& steps,
                             const std::vector<std::string>& receipts = {}) = 0;
  /// By (trigger, scheduled time): all from `state` on but model and dedup_key; the steps are added. One transaction.
  virtual Status Update(const Firing& firing, const std::vector<Step>& steps) = 0;
  /// Newest first; an empty name: of all triggers.
  virtual Result<std::vector<Firing>> Firings(std::string_view trigger, std::int64_t limit) = 0;
  virtual Result<std::vector<Firing>> Open() = 0;  ///< oldest first
  /// Others of its trigger or model that are open or ended after `since`; refused and skipped ones aside. Oldest first.
  virtual Result<std::vector<Firing>> Related(const Firing& firing, std::int64_t since_unix) = 0;
  virtual Result<Firing> FindBySweep(const SweepId& sweep) = 0;
  virtual Result<std::vector<Step>> Steps(const SweepId& sweep) = 0;  ///< in order
  /// The latest scheduled time of kind "cron"; none: 0.
  virtual Result<std::int64_t> LastScheduled(std::string_view trigger) = 0;

  /// Digests of the data that a trigger has seen, by role.
  virtual Result<std::map<std::string, std::string>> DataSeen(std::string_view trigger) = 0;
  virtual Status SetDataSeen(std::string_view trigger, std::string_view role,
                             std::string_view digest) = 0;
};

}  // namespace muster::registry
