#include <algorithm>
#include <cmath>

#include "registry/gates/kinds.h"
#include "registry/loop/trigger_service.h"

// What asks for a retraining, a clock aside.

namespace muster::registry {
namespace {

using gates::Number;

/// Why the value asks for nothing; empty: it does.
std::string Within(const wire::SignalCondition& condition, const Signal& signal) {
  if (!condition.at_least && !condition.at_most) return {};
  if (!signal.value) return signal.kind + " has no value; the trigger compares one";
  // NaN is as bad as it gets.
  if (std::isnan(*signal.value)) return {};
  if (condition.at_least && *signal.value >= *condition.at_least) return {};
  if (condition.at_most && *signal.value <= *condition.at_most) return {};
  std::string wanted;
  if (condition.at_least) wanted += " at least " + Number(*condition.at_least);
  if (condition.at_most) {
    wanted += std::string(wanted.empty() ? "" : " or") + " at most " + Number(*condition.at_most);
  }
  return signal.kind + " is " + Number(*signal.value) + "; asked for is" + wanted;
}

std::string KindsOf(const Trigger& trigger) {
  std::string kinds;
  for (const auto& condition : trigger.when.signals) {
    kinds += (kinds.empty() ? "" : ", ") + condition.kind;
  }
  return kinds.empty() ? "none" : kinds;
}

}  // namespace

Result<Firing> TriggerService::Fire(std::string_view name, std::int64_t now_unix,
                                    std::string_view why, bool forced) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Trigger trigger, parts_.store.Get(name));
  Claim claim;
  claim.firing.kind = "manual";
  claim.firing.scheduled_unix = now_unix;
  claim.firing.why = why;
  claim.seen = "a person asked";
  claim.forced = forced;
  return Begin(trigger, std::move(claim), now_unix);
}

Result<SignalAnswer> TriggerService::OnSignal(std::string_view name, const Signal& signal,
                                              std::int64_t now_unix) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Trigger trigger, parts_.store.Get(name));
  SignalAnswer answer;
  bool known = false;
  for (const wire::SignalCondition& condition : trigger.when.signals) {
    if (condition.kind != signal.kind) continue;
    known = true;
    answer.why_not = Within(condition, signal);
    if (answer.why_not.empty()) break;
  }
  if (!known) {
    return Invalid("at kind: trigger '" + trigger.name + "' has no condition of '" + signal.kind +
                   "'; it has " + KindsOf(trigger));
  }
  if (!trigger.enabled) answer.why_not = "the trigger is not enabled";
  if (!answer.why_not.empty()) return answer;
  Claim claim;
  claim.firing.kind = signal.kind;
  claim.firing.scheduled_unix = now_unix;
  claim.firing.dedup_key = signal.dedup_key;
  claim.firing.why = signal.kind + (signal.value ? " " + Number(*signal.value) : "") +
                     (signal.detail.empty() ? "" : ": " + signal.detail);
  claim.seen = claim.firing.why;
  MUSTER_ASSIGN_OR_RETURN(answer.firing, Begin(trigger, std::move(claim), now_unix));
  return answer;
}

Result<SignalAnswer> TriggerService::OnWebhook(std::string_view name, const WebhookCall& call,
                                               std::int64_t now_unix) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Trigger trigger, parts_.store.Get(name));
  if (!trigger.when.webhook) {
    return NotFound("trigger '" + trigger.name + "' has no web hook");
  }
  MUSTER_RETURN_IF_ERROR(CheckWebhook(call, trigger.secret, *trigger.when.webhook, now_unix));
  SignalAnswer answer;
  answer.why_not = Unwanted(call, *trigger.when.webhook);
  if (!trigger.enabled) answer.why_not = "the trigger is not enabled";
  if (!answer.why_not.empty()) return answer;
  Claim claim;
  claim.firing.kind = "webhook";
  claim.firing.scheduled_unix = now_unix;
  claim.firing.why = Describe(call);
  claim.seen = "web hook " + call.delivery + ", signed with the trigger's secret";
  claim.receipts = {"delivery " + call.delivery, call.signature};
  auto firing = Begin(trigger, std::move(claim), now_unix);
  if (!firing.ok() && firing.error().kind == ErrorKind::kAlreadyExists) {
    return Conflict("delivery " + call.delivery + " or its body was taken before; a replay");
  }
  if (!firing.ok()) return firing.error();
  answer.firing = std::move(firing).value();
  return answer;
}

Status TriggerService::OnData(std::string_view name,
                              const std::map<std::string, std::string>& digests,
                              std::int64_t now_unix) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const Trigger trigger, parts_.store.Get(name));
  MUSTER_ASSIGN_OR_RETURN(const auto seen, parts_.store.DataSeen(name));
  Claim claim;
  for (const auto& [role, digest] : digests) {
    const auto before = seen.find(role);
    if (before == seen.end() || before->second == digest) continue;
    claim.firing.why += (claim.firing.why.empty() ? "" : ", ") + role + " is " +
                        digest.substr(0, 12) + ", was " + before->second.substr(0, 12);
    claim.firing.dedup_key += (claim.firing.dedup_key.empty() ? "" : " ") + role + ":" + digest;
  }
  if (!claim.firing.why.empty() && trigger.enabled) {
    claim.firing.kind = "data";
    claim.firing.scheduled_unix = now_unix;
    claim.seen = "new data: " + claim.firing.why;
    MUSTER_RETURN_IF_ERROR(Begin(trigger, std::move(claim), now_unix));
  }
  // After the claim: cut here, the same digest is claimed again and is a duplicate.
  for (const auto& [role, digest] : digests) {
    const auto before = seen.find(role);
    if (before != seen.end() && before->second == digest) continue;
    MUSTER_RETURN_IF_ERROR(parts_.store.SetDataSeen(name, role, digest));
  }
  return Ok();
}

}  // namespace muster::registry
