#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/loop/guards.h"
#include "registry/loop/retraining.h"
#include "registry/loop/signed_webhook.h"
#include "registry/model_store.h"
#include "registry/time_zone.h"
#include "registry/trigger.h"
#include "registry/trust_store.h"
#include "runtime/wire/api.h"

/// The closed loop: from what asks for a retraining to the new champion, or to why there is none. Pure but for its
/// stores and the two functions that reach the coordinator; times are handed in.
///
///   1. A clock, a person, new data, a signal or a web hook asks. A firing is claimed in the store, unique by (trigger,
///      time): a restart claims no time twice. Times that a clock missed while nothing ran are caught up once: the
///      latest of them fires, the earlier ones do not.
///   2. Its guards are judged (guards.h): skipped, held until they let it pass, or passed.
///   3. Passed: the sweep is planned (retraining.h) and the plan stored, so that a second try submits the same.
///   4. Its sweep "<trigger>-<time>" is submitted; the coordinator takes an id twice as the same sweep. Refused by it:
///      over. Refused for what it was to begin with: submitted without that.
///   5. The sweep has ended: the promoter's decision (promoter.h) is read from the audit. The gates refused: over.
///   6. Approvals are wanted: waits for what the store makes of them, or until approval_seconds are over.
///   7. The version is @challenger: waits for the canary's reports; it becomes champion by compare-and-swap, or goes.
///
/// All that is known is in the stores; each step above is one transaction with its lines of the story (Step), and
/// follows from what the stores and the coordinator say, so that Tick goes on wherever a crash cut it.

namespace muster::registry {

struct TriggerParts {
  TriggerStore& store;
  ModelStore& models;
  TrustStore* trust = nullptr;  ///< null: approvals are not told in the story
  /// Submits the sweep under this id; idempotent. kInvalid, kUnsupported and kConflict are final.
  std::function<Status(const SweepId& sweep, const std::string& sweep_json)> submit;
  /// kNotFound: there is no such sweep, and never will be.
  std::function<Result<wire::SweepDetail>(const SweepId& sweep)> find;
  /// By its IANA name; "" is UTC.
  std::function<Result<TimeZone>(const std::string& name)> zone = {};
};

/// What a monitor says of a model.
struct Signal {
  std::string kind;  ///< "drift", "score", ...
  std::optional<double> value;
  std::string detail;
  std::string dedup_key;  ///< empty: none
};
/// What became of a signal or a web hook: a firing, or why there is none.
struct SignalAnswer {
  std::optional<Firing> firing;
  std::string why_not;
};

/// From who serves the challenger, when a canary takes a step.
struct CanaryReport {
  std::int64_t version = 0;
  std::string state;  ///< running, done, rolled_back
  double share = 0;   ///< of the requests that are the challenger's, from here on
  std::string reason;
};

/// Any thread, when the functions may be called from any; a call waits for the one before. What it is built on must
/// outlive it.
class TriggerService {
 public:
  explicit TriggerService(TriggerParts parts) : parts_(std::move(parts)) {}

  /// kInvalid names what is wrong with name, conditions, guards or sweep.
  [[nodiscard]] Status Check(const Trigger& trigger, std::int64_t now_unix) const;
  /// Stores it; without a secret it keeps that of the trigger it replaces. The errors of Check, and the store's.
  Status Add(Trigger trigger, std::int64_t now_unix);
  /// When its clock strikes next; none.
  [[nodiscard]] std::optional<std::int64_t> NextTime(const Trigger& trigger,
                                                     std::int64_t now_unix) const;

  /// Claims what is due and brings on all that is open. Answers when to be called again: the next due time, a minute from
  /// now when something waits to be submitted or is held, or none; what is submitted, waits for approvals or is in canary
  /// may be followed as often as one likes.
  Result<std::optional<std::int64_t>> Tick(std::int64_t now_unix);
  /// Fires now, also when disabled; `forced` passes by duplicate, cooldown and budget. Twice in the same second is one
  /// firing. One that could not be submitted is answered as claimed; a later Tick submits it.
  Result<Firing> Fire(std::string_view name, std::int64_t now_unix, std::string_view why,
                      bool forced = false);
  /// kNotFound; kInvalid for a kind that the trigger has no condition of.
  Result<SignalAnswer> OnSignal(std::string_view name, const Signal& signal, std::int64_t now_unix);
  /// kNotFound; the errors of CheckWebhook; kConflict for one that was taken before.
  Result<SignalAnswer> OnWebhook(std::string_view name, const WebhookCall& call,
                                 std::int64_t now_unix);
  /// Digests by role; the first of a role is what later ones are compared with.
  Status OnData(std::string_view name, const std::map<std::string, std::string>& digests,
                std::int64_t now_unix);
  /// kNotFound: no retraining has this version in canary; kInvalid for another state.
  Result<Firing> OnCanary(const std::string& model, const CanaryReport& report,
                          std::int64_t now_unix);

 private:
  /// A claim, judged and submitted as far as it goes.
  struct Claim {
    Firing firing;
    std::string seen;  ///< the first line of the story
    bool forced = false;
    std::vector<std::string> receipts;
  };
  Result<Firing> Begin(const Trigger& trigger, Claim claim, std::int64_t now_unix);
  Status ClaimDue(const Trigger& trigger, std::int64_t now_unix);

  /// Each brings a firing on and writes it down; an error is the store's, or for a later try.
  Status Advance(Firing& firing, std::int64_t now_unix);
  Status JudgeAndSubmit(Firing& firing, std::int64_t now_unix, bool forced);
  Status Submit(Firing& firing, std::int64_t now_unix);
  Status FollowSweep(Firing& firing, std::int64_t now_unix);
  Status FollowApprovals(Firing& firing, std::int64_t now_unix);
  Status FollowCanary(Firing& firing, std::int64_t now_unix);
  Status Named(Firing& firing, const std::string& alias, std::vector<Step> steps,
               std::int64_t now_unix);
  Status FinishCanary(Firing& firing, std::int64_t now_unix);
  Status Wait(Firing& firing, const std::string& alias, const std::string& why,
              std::vector<Step> steps, std::int64_t now_unix);
  Status End(Firing& firing, std::string outcome, std::string why, std::vector<Step> steps,
             std::int64_t now_unix);
  Status Enter(Firing& firing, FiringState state, std::string detail,
               const std::vector<Step>& steps, std::int64_t now_unix);
  /// The guards that are in force now; the defaults of a trigger that was deleted.
  wire::RetrainGuards GuardsOf(const Firing& firing);
  void DropChallenger(const Firing& firing);
  [[nodiscard]] std::string SecretOf(const Trigger& trigger) const;
  /// Logs what failed, once while it fails in the same way.
  void Told(const std::string& what, const Status& status);

  TriggerParts parts_;
  std::mutex mutex_;  // one call at a time: guards are judged on what the one before has stored
  std::map<std::string, std::string> told_;  // by what failed
};

}  // namespace muster::registry
