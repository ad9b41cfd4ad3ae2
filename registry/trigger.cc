#include "registry/trigger.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "registry/cron.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::registry {
namespace {

constexpr std::size_t kNameLengthMax = 100;
constexpr std::int64_t kRetrySeconds = 60;

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

/// The same sweep will be refused the next time, too; a conflict: its id is another sweep's.
bool IsFinal(ErrorKind kind) {
  return kind == ErrorKind::kInvalid || kind == ErrorKind::kUnsupported ||
         kind == ErrorKind::kConflict;
}

Firing NewFiring(const Trigger& trigger, std::int64_t scheduled, std::int64_t now,
                 std::string why) {
  Firing firing;
  firing.trigger = trigger.name;
  firing.scheduled_unix = scheduled;
  firing.fired_unix = now;
  firing.why = std::move(why);
  firing.sweep = SweepId(trigger.name + "-" + UtcCompact(scheduled));
  return firing;
}

}  // namespace

Status TriggerService::Check(const Trigger& trigger, std::int64_t now_unix) {
  MUSTER_RETURN_IF_ERROR(CheckName(trigger.name));
  if (!trigger.cron.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto schedule, CronSchedule::Parse(trigger.cron));
    if (!schedule.NextAfter(now_unix)) {
      return Invalid("cron: '" + trigger.cron + "' never comes");
    }
  }
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(trigger.sweep_json));
  MUSTER_RETURN_IF_ERROR(wire::SweepSpecFromJson(json));
  return Ok();
}

Status TriggerService::Add(Trigger trigger, std::int64_t now_unix) {
  MUSTER_RETURN_IF_ERROR(Check(trigger, now_unix));
  trigger.created_unix = now_unix;
  return store_.Put(trigger);
}

Status TriggerService::ClaimDue(const Trigger& trigger, std::int64_t now_unix) {
  MUSTER_ASSIGN_OR_RETURN(const auto schedule, CronSchedule::Parse(trigger.cron));
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t last, store_.LastScheduled(trigger.name));
  const auto due = schedule.LastIn(std::max(last, trigger.created_unix), now_unix);
  if (!due) return Ok();
  MUSTER_RETURN_IF_ERROR(store_.Claim(NewFiring(trigger, *due, now_unix, "cron " + trigger.cron)));
  return Ok();
}

Status TriggerService::SubmitOne(Firing& firing) {
  const auto trigger = store_.Get(firing.trigger);
  Status submitted;
  if (trigger.ok()) {
    submitted = submit_(firing.sweep, trigger->sweep_json);
  } else if (trigger.error().kind == ErrorKind::kNotFound) {
    submitted = Invalid("the trigger was deleted before its sweep was submitted");
  } else {
    return trigger.error();
  }
  const std::string before = std::exchange(firing.detail, "");
  if (submitted.ok()) {
    firing.state = FiringState::kSubmitted;
    return store_.Update(firing);
  }
  firing.detail = submitted.error().message;
  if (IsFinal(submitted.error().kind)) firing.state = FiringState::kRefused;
  // The store remembers what was said: the same failure is logged once, not once a minute.
  if (firing.state == FiringState::kClaimed && firing.detail == before) return Ok();
  LogWarning("trigger", firing.sweep.value +
                            (firing.state == FiringState::kRefused ? " is refused: "
                                                                   : " is not submitted yet: ") +
                            firing.detail);
  return store_.Update(firing);
}

Result<std::optional<std::int64_t>> TriggerService::Tick(std::int64_t now_unix) {
  MUSTER_ASSIGN_OR_RETURN(const auto triggers, store_.List());
  std::optional<std::int64_t> next;
  const auto sooner = [&](std::optional<std::int64_t> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  for (const Trigger& trigger : triggers) {
    if (!trigger.enabled || trigger.cron.empty()) continue;
    MUSTER_RETURN_IF_ERROR(ClaimDue(trigger, now_unix));
    MUSTER_ASSIGN_OR_RETURN(const auto schedule, CronSchedule::Parse(trigger.cron));
    sooner(schedule.NextAfter(now_unix));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto claimed, store_.Claimed());
  for (Firing firing : claimed) {
    // One that cannot be submitted now must not keep the others back.
    const Status stored = SubmitOne(firing);
    if (!stored.ok()) LogWarning("trigger", firing.sweep.value + ": " + stored.error().message);
    if (!stored.ok() || firing.state == FiringState::kClaimed) sooner(now_unix + kRetrySeconds);
  }
  return next;
}

Result<Firing> TriggerService::Fire(std::string_view name, std::int64_t now_unix,
                                    std::string_view why) {
  MUSTER_ASSIGN_OR_RETURN(const Trigger trigger, store_.Get(name));
  Firing firing = NewFiring(trigger, now_unix, now_unix, std::string(why));
  firing.manual = true;
  MUSTER_ASSIGN_OR_RETURN(const bool claimed, store_.Claim(firing));
  // Claimed, it is submitted sooner or later; its state says how far it came.
  if (claimed) {
    if (const Status stored = SubmitOne(firing); !stored.ok()) {
      LogWarning("trigger", firing.sweep.value + ": " + stored.error().message);
    }
  }
  return store_.FindBySweep(firing.sweep);
}

Status TriggerService::RecordDecision(const SweepId& sweep, const std::string& decision_json) {
  auto firing = store_.FindBySweep(sweep);
  if (!firing.ok()) {
    return firing.error().kind == ErrorKind::kNotFound ? Ok() : Status(firing.error());
  }
  firing->state = FiringState::kDecided;
  firing->decision_json = decision_json;
  return store_.Update(*firing);
}

}  // namespace muster::registry
