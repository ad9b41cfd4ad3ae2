#include "registry/loop/guards.h"

#include <algorithm>
#include <cmath>

#include "registry/cron.h"
#include "registry/gates/kinds.h"

namespace muster::registry {
namespace {

using gates::Number;

using What = GuardVerdict::What;

bool InFlight(const Firing& firing) {
  return firing.state == FiringState::kSubmitted || firing.state == FiringState::kWaiting ||
         firing.state == FiringState::kCanary ||
         (firing.state == FiringState::kClaimed && !firing.spec_json.empty());
}

bool ComesAgain(const Firing& firing) { return firing.kind == "cron" || firing.kind == "manual"; }

GuardVerdict Skip(std::string guard, std::string seen, std::string why) {
  return {What::kSkip, std::move(guard), std::move(seen), std::move(why)};
}

GuardVerdict HoldBack(const Firing& firing, std::string guard, std::string seen, std::string why) {
  return {ComesAgain(firing) ? What::kSkip : What::kHold, std::move(guard), std::move(seen),
          std::move(why)};
}

GuardVerdict Duplicate(const GuardCase& of) {
  for (const Firing& other : of.others) {
    if (of.firing.dedup_key.empty() || other.trigger != of.firing.trigger ||
        other.dedup_key != of.firing.dedup_key || other.outcome == "failed" ||
        other.fired_unix > of.firing.fired_unix ||
        other.fired_unix + of.guards.dedup_seconds <= of.firing.fired_unix) {
      continue;
    }
    return Skip("duplicate", "key '" + of.firing.dedup_key + "' of " + other.sweep.value,
                "a key counts once in " + std::to_string(of.guards.dedup_seconds) + " s");
  }
  return {};
}

GuardVerdict Outdated(const GuardCase& of) {
  if (of.firing.state != FiringState::kHeld) return {};
  if (of.firing.kind != "webhook" && of.firing.kind != "data" &&
      of.champion != of.firing.champion) {
    return Skip("stale", "version " + std::to_string(of.champion) + " is champion by now",
                "this was about version " + std::to_string(of.firing.champion));
  }
  for (const Firing& other : of.others) {
    if (other.state == FiringState::kHeld && other.trigger == of.firing.trigger &&
        other.kind == of.firing.kind && other.scheduled_unix > of.firing.scheduled_unix) {
      return Skip("superseded", other.sweep.value + " is held, too",
                  "one retraining answers both, and the newer knows more");
    }
  }
  return {};
}

GuardVerdict Busy(const GuardCase& of) {
  const auto other = std::ranges::find_if(of.others, InFlight);
  if (other == of.others.end()) return {};
  const std::string whose =
      of.firing.model.empty() ? "trigger " + of.firing.trigger : "model " + of.firing.model;
  return HoldBack(of.firing, "in_flight",
                  other->sweep.value + " is " + std::string(FiringStateName(other->state)),
                  "one retraining of " + whose + " at a time");
}

GuardVerdict Cooldown(const GuardCase& of) {
  const Firing* last = nullptr;
  for (const Firing& other : of.others) {
    if (last == nullptr || other.ended_unix > last->ended_unix) last = &other;
  }
  if (last == nullptr) return {};
  const std::int64_t until = last->ended_unix + of.guards.cooldown_seconds;
  if (until <= of.now_unix) return {};
  return HoldBack(of.firing, "cooldown",
                  last->sweep.value + " ended at " + UtcText(last->ended_unix),
                  "none before " + UtcText(until));
}

GuardVerdict Budget(const GuardCase& of) {
  int retrainings = 0;
  double seconds = 0;
  for (const Firing& other : of.others) {
    if (other.trigger != of.firing.trigger || other.submitted_unix == 0 ||
        other.submitted_unix + of.guards.period_seconds <= of.now_unix) {
      continue;
    }
    ++retrainings;
    seconds += other.trial_seconds;
  }
  const std::string period = " in " + std::to_string(of.guards.period_seconds) + " s";
  if (of.guards.retrainings > 0 && retrainings >= of.guards.retrainings) {
    return HoldBack(of.firing, "budget", std::to_string(retrainings) + " retrainings" + period,
                    "the budget is " + std::to_string(of.guards.retrainings));
  }
  if (of.guards.trial_seconds > 0 && seconds >= of.guards.trial_seconds) {
    return HoldBack(of.firing, "budget", Number(seconds) + " trial-seconds" + period,
                    "the budget is " + Number(of.guards.trial_seconds));
  }
  return {};
}

}  // namespace

GuardVerdict JudgeGuards(const GuardCase& of) {
  for (const auto& [judge, may_be_forced] :
       {std::pair(&Duplicate, true), std::pair(&Outdated, false), std::pair(&Busy, false),
        std::pair(&Cooldown, true), std::pair(&Budget, true)}) {
    if (of.forced && may_be_forced) continue;
    if (GuardVerdict verdict = judge(of); verdict.what != What::kPass) return verdict;
  }
  return {};
}

std::int64_t GuardMemory(const wire::RetrainGuards& guards) {
  return std::max({guards.cooldown_seconds, guards.dedup_seconds, guards.period_seconds});
}

Status CheckGuards(const wire::RetrainGuards& guards) {
  constexpr std::int64_t kLongest = 10LL * 366 * 86'400;
  const std::pair<const char*, std::int64_t> times[] = {
      {"cooldown_seconds", guards.cooldown_seconds},
      {"dedup_seconds", guards.dedup_seconds},
      {"period_seconds", guards.period_seconds},
      {"approval_seconds", guards.approval_seconds},
      {"canary_seconds", guards.canary_seconds}};
  for (const auto& [name, seconds] : times) {
    if (seconds >= 0 && seconds <= kLongest) continue;
    return Invalid(std::string("at guards.") + name + ": wanted 0 to " + std::to_string(kLongest) +
                   ", got " + std::to_string(seconds));
  }
  if (guards.retrainings < 0) return Invalid("at guards.retrainings: wanted 0 or more");
  if (!(guards.trial_seconds >= 0) || std::isinf(guards.trial_seconds)) {
    return Invalid("at guards.trial_seconds: wanted 0 or more");
  }
  return Ok();
}

}  // namespace muster::registry
