#include "registry/loop/trigger_service.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "registry/cron.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

// Claiming, guards and submitting; what asks is trigger_signals.cc's, what comes after the sweep trigger_follow.cc's.

namespace muster::registry {
namespace {

constexpr std::size_t kNameLengthMax = 100;
constexpr std::int64_t kRetrySeconds = 60;
/// So many firings of one trigger may be asked for in one second.
constexpr int kMostInASecond = 100;

Status CheckName(std::string_view name) {
  const bool fits =
      !name.empty() && name.size() <= kNameLengthMax &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
      });
  if (fits) return Ok();
  return Invalid("trigger name '" + std::string(name) +
                 "'; wanted 1 to 100 letters, digits, dashes and underscores");
}

Status CheckConditions(const Trigger& trigger, const wire::SweepSpec& spec) {
  for (std::size_t i = 0; i < trigger.when.data.size(); ++i) {
    const std::string& role = trigger.when.data[i];
    if (spec.data.contains(role)) continue;
    return Invalid("at data[" + std::to_string(i) + "]: the sweep has no data '" + role + "'");
  }
  for (std::size_t i = 0; i < trigger.when.signals.size(); ++i) {
    const std::string& kind = trigger.when.signals[i].kind;
    if (!kind.empty() && kind != "cron" && kind != "manual" && kind != "data" && kind != "webhook")
      continue;
    return Invalid("at signals[" + std::to_string(i) + "].kind: wanted a name like drift or score" +
                   (kind.empty() ? "" : "; " + kind + " is a condition of its own"));
  }
  if (trigger.when.webhook && trigger.when.webhook->age_seconds < 1) {
    return Invalid("at webhook.age_seconds: wanted 1 or more");
  }
  if (trigger.when.canary && !spec.model) {
    return Invalid("at canary: the sweep names no model");
  }
  return Ok();
}

/// The same sweep will be refused the next time, too; a conflict: its id is another sweep's.
bool IsFinal(ErrorKind kind) {
  return kind == ErrorKind::kInvalid || kind == ErrorKind::kUnsupported ||
         kind == ErrorKind::kConflict;
}

/// What it was to begin with is not there any more, or does not fit it.
bool IsAboutWarmStart(const Error& error) {
  return (error.kind == ErrorKind::kInvalid || error.kind == ErrorKind::kNotFound) &&
         (error.message.find("at warm_start") != std::string::npos ||
          error.message.find("at enqueue") != std::string::npos);
}

Result<wire::SweepSpec> SpecOf(const std::string& json_text) {
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(json_text));
  return wire::SweepSpecFromJson(json);
}

}  // namespace

Status TriggerService::Check(const Trigger& trigger, std::int64_t now_unix) const {
  MUSTER_RETURN_IF_ERROR(CheckName(trigger.name));
  if (!trigger.when.cron.empty()) {
    const auto schedule = CronSchedule::Parse(trigger.when.cron);
    if (!schedule.ok()) return schedule.error().With("at cron");
    if (!schedule->NextAfter(now_unix)) {
      return Invalid("at cron: '" + trigger.when.cron + "' never comes");
    }
  }
  if (!trigger.when.tz.empty()) {
    if (trigger.when.cron.empty()) return Invalid("at tz: there is no cron that it is of");
    if (const auto zone = parts_.zone(trigger.when.tz); !zone.ok()) {
      return zone.error().With("at tz");
    }
  }
  MUSTER_RETURN_IF_ERROR(CheckGuards(trigger.when.guards));
  if (trigger.when.webhook && SecretOf(trigger).empty()) {
    return Invalid("at webhook: wants a secret; muster trigger add NAME FILE makes one");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto spec, SpecOf(trigger.sweep_json));
  return CheckConditions(trigger, spec);
}

std::string TriggerService::SecretOf(const Trigger& trigger) const {
  if (!trigger.secret.empty()) return trigger.secret;
  const auto before = parts_.store.Get(trigger.name);
  return before.ok() ? before->secret : "";
}

Status TriggerService::Add(Trigger trigger, std::int64_t now_unix) {
  MUSTER_RETURN_IF_ERROR(Check(trigger, now_unix));
  trigger.created_unix = now_unix;
  trigger.secret = SecretOf(trigger);
  return parts_.store.Put(trigger);
}

std::optional<std::int64_t> TriggerService::NextTime(const Trigger& trigger,
                                                     std::int64_t now_unix) const {
  if (!trigger.enabled || trigger.when.cron.empty()) return std::nullopt;
  const auto schedule = CronSchedule::Parse(trigger.when.cron);
  if (!schedule.ok()) return std::nullopt;
  if (trigger.when.tz.empty()) return schedule->NextAfter(now_unix);
  const auto zone = parts_.zone(trigger.when.tz);
  return zone.ok() ? schedule->NextAfter(now_unix, *zone) : std::nullopt;
}

Status TriggerService::ClaimDue(const Trigger& trigger, std::int64_t now_unix) {
  MUSTER_ASSIGN_OR_RETURN(const auto schedule, CronSchedule::Parse(trigger.when.cron));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t last, parts_.store.LastScheduled(trigger.name));
  TimeZone zone;
  if (!trigger.when.tz.empty()) {
    MUSTER_ASSIGN_OR_RETURN(zone, parts_.zone(trigger.when.tz));
  }
  const auto due = schedule.LastIn(std::max(last, trigger.created_unix), now_unix, zone);
  if (!due) return Ok();
  Claim claim;
  claim.firing.kind = "cron";
  claim.firing.scheduled_unix = *due;
  claim.firing.why = "cron " + trigger.when.cron;
  if (!trigger.when.tz.empty()) claim.firing.why += " in " + trigger.when.tz;
  claim.seen = "it is " + UtcText(*due) + ", " + claim.firing.why;
  MUSTER_RETURN_IF_ERROR(Begin(trigger, std::move(claim), now_unix));
  return Ok();
}

Result<Firing> TriggerService::Begin(const Trigger& trigger, Claim claim, std::int64_t now_unix) {
  Firing& firing = claim.firing;
  firing.trigger = trigger.name;
  firing.fired_unix = firing.since_unix = now_unix;
  MUSTER_ASSIGN_OR_RETURN(const auto spec, SpecOf(trigger.sweep_json));
  if (spec.model) {
    firing.model = spec.model->name;
    firing.alias = spec.model->promote;
  }
  MUSTER_ASSIGN_OR_RETURN(const Champion champion,
                          FindChampion(parts_.models, firing.model, firing.alias));
  firing.champion = champion.version;
  const Step signal{now_unix, "signal", claim.seen, "asked for a retraining", firing.why};
  // A clock's time, and a person's second, are themselves; others take the next second that is free.
  const bool itself = firing.kind == "cron" || firing.kind == "manual";
  bool claimed = false;
  for (int i = 0; i < (itself ? 1 : kMostInASecond) && !claimed; ++i) {
    if (i > 0) ++firing.scheduled_unix;
    firing.sweep = SweepId(trigger.name + "-" + UtcCompact(firing.scheduled_unix));
    MUSTER_ASSIGN_OR_RETURN(claimed, parts_.store.Claim(firing, {signal}, claim.receipts));
  }
  if (!claimed && !itself) {
    return ResourceExhausted("trigger '" + trigger.name + "' was asked " +
                             std::to_string(kMostInASecond) + " times in a second");
  }
  // Claimed, it is submitted sooner or later; its state says how far it came.
  if (claimed) {
    if (const Status stored = JudgeAndSubmit(firing, now_unix, claim.forced); !stored.ok()) {
      LogWarning("trigger", firing.sweep.value + ": " + stored.error().message);
    }
  }
  return parts_.store.FindBySweep(firing.sweep);
}

Status TriggerService::Enter(Firing& firing, FiringState state, std::string detail,
                             const std::vector<Step>& steps, std::int64_t now_unix) {
  if (firing.state != state) firing.since_unix = now_unix;
  firing.state = state;
  firing.detail = std::move(detail);
  if (!IsOpen(firing)) firing.ended_unix = now_unix;
  return parts_.store.Update(firing, steps);
}

Status TriggerService::JudgeAndSubmit(Firing& firing, std::int64_t now_unix, bool forced) {
  if (!firing.spec_json.empty()) return Submit(firing, now_unix);
  const auto trigger = parts_.store.Get(firing.trigger);
  if (!trigger.ok()) {
    if (trigger.error().kind != ErrorKind::kNotFound) return trigger.error();
    const std::string why = "the trigger was deleted before its sweep was submitted";
    return Enter(firing, FiringState::kRefused, why,
                 {{now_unix, "guard", "no trigger " + firing.trigger, "refused", why}}, now_unix);
  }
  MUSTER_ASSIGN_OR_RETURN(const Champion champion,
                          FindChampion(parts_.models, firing.model, firing.alias));
  const wire::RetrainGuards& guards = trigger->when.guards;
  MUSTER_ASSIGN_OR_RETURN(auto others,
                          parts_.store.Related(firing, now_unix - GuardMemory(guards)));
  const GuardVerdict verdict =
      JudgeGuards({firing, guards, std::move(others), champion.version, now_unix, forced});
  if (verdict.what != GuardVerdict::What::kPass) {
    const bool hold = verdict.what == GuardVerdict::What::kHold;
    const std::string detail = verdict.guard + ": " + verdict.seen + "; " + verdict.why;
    if (hold && firing.state == FiringState::kHeld && firing.detail == detail) return Ok();
    return Enter(firing, hold ? FiringState::kHeld : FiringState::kSkipped, detail,
                 {{now_unix, "guard", verdict.guard + ": " + verdict.seen,
                   hold ? "held back" : "skipped", verdict.why}},
                 now_unix);
  }
  MUSTER_ASSIGN_OR_RETURN(auto spec, SpecOf(trigger->sweep_json));
  Plan plan = PlanRetraining(std::move(spec), trigger->when, champion, now_unix);
  std::vector<Step> steps{{now_unix, "guard", forced ? "a person insists" : "nothing in the way",
                           "passed", forced ? "only another one in flight would stop it" : ""}};
  std::ranges::move(plan.steps, std::back_inserter(steps));
  firing.spec_json = wire::SerializeJson(wire::ToJson(plan.spec));
  firing.champion = champion.version;
  firing.submitted_unix = now_unix;
  MUSTER_RETURN_IF_ERROR(Enter(firing, FiringState::kClaimed, "", steps, now_unix));
  return Submit(firing, now_unix);
}

Status TriggerService::Submit(Firing& firing, std::int64_t now_unix) {
  const Status submitted = parts_.submit(firing.sweep, firing.spec_json);
  const auto step = [&](std::string decided, std::string why) {
    return std::vector<Step>{
        {now_unix, "submit", "sweep " + firing.sweep.value, std::move(decided), std::move(why)}};
  };
  if (submitted.ok()) {
    return Enter(firing, FiringState::kSubmitted, "", step("submitted", "the coordinator took it"),
                 now_unix);
  }
  const Error& error = submitted.error();
  if (IsAboutWarmStart(error)) {
    MUSTER_ASSIGN_OR_RETURN(auto spec, SpecOf(firing.spec_json));
    const bool had = !spec.warm_start.empty() || !spec.enqueue.empty();
    spec.warm_start.clear();
    spec.enqueue.clear();
    firing.spec_json = wire::SerializeJson(wire::ToJson(spec));
    if (had) {
      MUSTER_RETURN_IF_ERROR(Enter(firing, FiringState::kClaimed, "",
                                   step("begins with nothing", error.message), now_unix));
      return Submit(firing, now_unix);
    }
  }
  const bool refused = IsFinal(error.kind);
  // The store remembers what was said: the same failure is logged once, not once a minute.
  if (!refused && firing.detail == error.message) return Ok();
  LogWarning(
      "trigger",
      firing.sweep.value + (refused ? " is refused: " : " is not submitted yet: ") + error.message);
  if (!refused) return Enter(firing, FiringState::kClaimed, error.message, {}, now_unix);
  return Enter(firing, FiringState::kRefused, error.message, step("refused", error.message),
               now_unix);
}

void TriggerService::Told(const std::string& what, const Status& status) {
  if (status.ok()) {
    told_.erase(what);
  } else if (std::exchange(told_[what], status.error().message) != status.error().message) {
    LogWarning("trigger", what + ": " + status.error().message);
  }
}

Result<std::optional<std::int64_t>> TriggerService::Tick(std::int64_t now_unix) {
  const std::lock_guard lock(mutex_);
  MUSTER_ASSIGN_OR_RETURN(const auto triggers, parts_.store.List());
  std::optional<std::int64_t> next;
  const auto sooner = [&](std::optional<std::int64_t> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  // What ends now is not in the way of what is due, and one that fails keeps no other back.
  MUSTER_ASSIGN_OR_RETURN(const auto open, parts_.store.Open());
  for (Firing firing : open) {
    const Status advanced = Advance(firing, now_unix);
    // Unavailable: the coordinator is starting or stopping, and the next Tick is soon.
    if (advanced.ok() || advanced.error().kind != ErrorKind::kUnavailable) {
      Told(firing.sweep.value, advanced);
    }
  }
  for (const Trigger& trigger : triggers) {
    if (!trigger.enabled || trigger.when.cron.empty()) continue;
    Told(trigger.name, ClaimDue(trigger, now_unix));
    sooner(NextTime(trigger, now_unix));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto left, parts_.store.Open());
  for (const Firing& firing : left) {
    if (firing.state == FiringState::kClaimed || firing.state == FiringState::kHeld) {
      sooner(now_unix + kRetrySeconds);
    }
  }
  return next;
}

Status TriggerService::Advance(Firing& firing, std::int64_t now_unix) {
  switch (firing.state) {
    case FiringState::kClaimed:
    case FiringState::kHeld:
      return JudgeAndSubmit(firing, now_unix, false);
    case FiringState::kSubmitted:
      return FollowSweep(firing, now_unix);
    case FiringState::kWaiting:
      return FollowApprovals(firing, now_unix);
    case FiringState::kCanary:
      return FollowCanary(firing, now_unix);
    case FiringState::kRefused:
    case FiringState::kDecided:
    case FiringState::kSkipped:
      break;
  }
  return Ok();
}

}  // namespace muster::registry
