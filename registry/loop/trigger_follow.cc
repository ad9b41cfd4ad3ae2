#include <algorithm>

#include "registry/cron.h"
#include "registry/gates/kinds.h"
#include "registry/loop/trigger_service.h"
#include "registry/promoter.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

// What becomes of a retraining that was submitted: gates, approvals, canary.

namespace muster::registry {
namespace {

using Steps = std::vector<Step>;

std::string SweepText(const wire::SweepSummary& sweep) {
  std::string text = std::to_string(sweep.complete) + " of " + std::to_string(sweep.trials) +
                     " trials complete, " + std::to_string(sweep.pruned) + " pruned, " +
                     std::to_string(sweep.failed) + " failed";
  if (sweep.best) text += "; best " + sweep.metric + " " + gates::Number(*sweep.best);
  return text + "; " + gates::Number(sweep.slot_seconds) + " trial-seconds";
}

void AddGates(const std::vector<GateVerdict>& verdicts, std::int64_t now, Steps& steps) {
  for (const GateVerdict& verdict : verdicts) {
    steps.push_back(
        {now, "gate", verdict.gate, verdict.passed ? "passed" : "refused", verdict.detail});
  }
}

Actor ActorOf(const Firing& firing) { return {"muster", "retraining " + firing.sweep.value}; }

std::string Version(std::int64_t version) { return "version " + std::to_string(version); }

}  // namespace

wire::RetrainGuards TriggerService::GuardsOf(const Firing& firing) {
  const auto trigger = parts_.store.Get(firing.trigger);
  return trigger.ok() ? trigger->when.guards : wire::RetrainGuards();
}

Status TriggerService::End(Firing& firing, std::string outcome, std::string why, Steps steps,
                           std::int64_t now_unix) {
  firing.outcome = std::move(outcome);
  firing.waits_for.clear();
  const std::string seen = firing.version == 0 ? "no version" : Version(firing.version);
  steps.push_back({now_unix, "end", seen, firing.outcome, why});
  return Enter(firing, FiringState::kDecided, std::move(why), steps, now_unix);
}

Status TriggerService::FollowSweep(Firing& firing, std::int64_t now_unix) {
  const auto found = parts_.find(firing.sweep);
  if (!found.ok()) {
    if (found.error().kind != ErrorKind::kNotFound) return found.error();
    return End(firing, "failed", found.error().message, {}, now_unix);
  }
  const wire::SweepSummary& sweep = found->sweep;
  if (!wire::IsFinal(sweep.state)) return Ok();
  firing.trial_seconds = sweep.slot_seconds;
  Steps steps{{now_unix, "sweep", SweepText(sweep), sweep.state, sweep.message}};
  if (sweep.state != "complete") {
    return End(firing, "failed", "the sweep is " + sweep.state, std::move(steps), now_unix);
  }
  if (found->promotion.state.empty()) {
    return End(firing, "done", "the sweep names no model", std::move(steps), now_unix);
  }
  const auto entry = parts_.models.FindAuditByRequest(firing.sweep.value + "/promotion");
  if (!entry.ok() && entry.error().kind != ErrorKind::kNotFound) return entry.error();
  if (!entry.ok()) {
    return End(firing, "failed", found->promotion.reason, std::move(steps), now_unix);
  }
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(entry->detail_json));
  MUSTER_ASSIGN_OR_RETURN(const PromotionResult result, PromotionResultFromJson(json));
  firing.decision_json = entry->detail_json;
  firing.version = result.version;
  AddGates(result.verdicts, now_unix, steps);
  if (result.promoted) return Named(firing, result.alias, std::move(steps), now_unix);
  const bool passed =
      !result.verdicts.empty() && std::ranges::all_of(result.verdicts, &GateVerdict::passed);
  if (!passed || result.version == 0) {
    const bool judged = !result.verdicts.empty();
    return End(firing, judged ? "gated" : "failed", result.reason, std::move(steps), now_unix);
  }
  return Wait(firing, result.alias, result.reason, std::move(steps), now_unix);
}

Status TriggerService::Wait(Firing& firing, const std::string& alias, const std::string& why,
                            Steps steps, std::int64_t now_unix) {
  MUSTER_ASSIGN_OR_RETURN(const Champion named, FindChampion(parts_.models, firing.model, alias));
  firing.champion = named.version;
  firing.waits_for = alias;
  steps.push_back({now_unix, "approval", Version(firing.version) + " for @" + alias, "asked", why});
  return Enter(firing, FiringState::kWaiting, why, steps, now_unix);
}

/// The version got an alias: the one that was aimed at, or the challenger's.
Status TriggerService::Named(Firing& firing, const std::string& alias, Steps steps,
                             std::int64_t now_unix) {
  if (alias == firing.alias) {
    return End(firing, "promoted", Version(firing.version) + " is now @" + alias, std::move(steps),
               now_unix);
  }
  MUSTER_ASSIGN_OR_RETURN(const Champion champion,
                          FindChampion(parts_.models, firing.model, firing.alias));
  firing.champion = champion.version;
  firing.waits_for.clear();
  const std::string why = Version(firing.version) + " is now @" + alias;
  steps.push_back(
      {now_unix, "canary", why, "begins", "becomes @" + firing.alias + " when it ends well"});
  return Enter(firing, FiringState::kCanary, why, steps, now_unix);
}

Status TriggerService::FollowApprovals(Firing& firing, std::int64_t now_unix) {
  Steps steps;
  bool rejected = false;
  if (parts_.trust != nullptr) {
    const auto found = parts_.trust->Approvals(firing.model, firing.version);
    if (!found.ok() && found.error().kind == ErrorKind::kNotFound) {
      return End(firing, "superseded", found.error().message, {}, now_unix);
    }
    MUSTER_ASSIGN_OR_RETURN(const ApprovalState state, found);
    MUSTER_ASSIGN_OR_RETURN(const auto told, parts_.store.Steps(firing.sweep));
    const auto is_word = [](const Step& step) {
      return step.what == "approval" && (step.decided == "approved" || step.decided == "rejected");
    };
    const auto first = static_cast<std::size_t>(std::ranges::count_if(told, is_word));
    for (std::size_t i = first; i < state.approvals.size(); ++i) {
      const Approval& word = state.approvals[i];
      steps.push_back({now_unix, "approval", word.person + " at " + UtcText(word.time_ms / 1000),
                       word.approved ? "approved" : "rejected", word.reason});
    }
    rejected = std::ranges::any_of(InForce(state.approvals, state.digest),
                                   [](const Approval& word) { return !word.approved; });
  }
  MUSTER_ASSIGN_OR_RETURN(const Champion named,
                          FindChampion(parts_.models, firing.model, firing.waits_for));
  if (named.version == firing.version) {
    return Named(firing, firing.waits_for, std::move(steps), now_unix);
  }
  // The store drops a promotion whose alias has moved meanwhile.
  if (named.version != firing.champion) {
    return End(firing, "superseded",
               "@" + firing.waits_for + " was moved to " + Version(named.version), std::move(steps),
               now_unix);
  }
  if (rejected) return End(firing, "rejected", "a person rejected it", std::move(steps), now_unix);
  const std::int64_t until = firing.since_unix + GuardsOf(firing).approval_seconds;
  if (now_unix >= until) {
    return End(firing, "expired", "no approval until " + UtcText(until), std::move(steps),
               now_unix);
  }
  return steps.empty() ? Ok() : parts_.store.Update(firing, steps);
}

void TriggerService::DropChallenger(const Firing& firing) {
  const auto named = parts_.models.GetByAlias(firing.model, kChallengerAlias);
  if (!named.ok() || named->version != firing.version) return;
  const Status dropped = parts_.models.SetAlias(firing.model, kChallengerAlias, 0, ActorOf(firing));
  if (!dropped.ok()) LogWarning("trigger", firing.sweep.value + ": " + dropped.error().message);
}

Status TriggerService::FollowCanary(Firing& firing, std::int64_t now_unix) {
  MUSTER_ASSIGN_OR_RETURN(const auto told, parts_.store.Steps(firing.sweep));
  const auto reported = [&](std::string_view state) {
    return std::ranges::find_if(
        told, [&](const Step& step) { return step.what == "canary" && step.decided == state; });
  };
  if (const auto back = reported("rolled_back"); back != told.end()) {
    DropChallenger(firing);
    return End(firing, "rolled_back", back->why, {}, now_unix);
  }
  if (reported("done") != told.end()) return FinishCanary(firing, now_unix);
  MUSTER_ASSIGN_OR_RETURN(const Champion champion,
                          FindChampion(parts_.models, firing.model, firing.alias));
  if (champion.version == firing.version) {
    DropChallenger(firing);
    return Named(firing, firing.alias, {}, now_unix);
  }
  const auto challenger = parts_.models.GetByAlias(firing.model, kChallengerAlias);
  if (!challenger.ok() && challenger.error().kind != ErrorKind::kNotFound) {
    return challenger.error();
  }
  if (!challenger.ok() || challenger->version != firing.version) {
    return End(firing, "superseded", Version(firing.version) + " is not @challenger any more", {},
               now_unix);
  }
  const std::int64_t until = firing.since_unix + GuardsOf(firing).canary_seconds;
  if (now_unix < until) return Ok();
  DropChallenger(firing);
  return End(firing, "expired", "the canary has not ended until " + UtcText(until), {}, now_unix);
}

Status TriggerService::FinishCanary(Firing& firing, std::int64_t now_unix) {
  Promotion promotion{firing.model, firing.alias, firing.version, firing.champion,
                      firing.sweep.value + "/canary"};
  promotion.wait = true;
  const Status moved = parts_.models.Promote(promotion, ActorOf(firing));
  if (moved.ok()) {
    DropChallenger(firing);
    return Named(firing, firing.alias, {}, now_unix);
  }
  if (moved.error().kind == ErrorKind::kConflict) {
    DropChallenger(firing);
    return End(firing, "superseded", moved.error().message, {}, now_unix);
  }
  if (moved.error().kind != ErrorKind::kFenced) return moved.error();
  return Wait(firing, firing.alias, moved.error().message, {}, now_unix);
}

Result<Firing> TriggerService::OnCanary(const std::string& model, const CanaryReport& report,
                                        std::int64_t now_unix) {
  const std::lock_guard lock(mutex_);
  if (report.state != "running" && report.state != "done" && report.state != "rolled_back") {
    return Invalid("at state: wanted running, done or rolled_back, got '" + report.state + "'");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto open, parts_.store.Open());
  const auto found = std::ranges::find_if(open, [&](const Firing& firing) {
    return firing.state == FiringState::kCanary && firing.model == model &&
           firing.version == report.version;
  });
  if (found == open.end()) {
    return NotFound("no retraining has " + Version(report.version) + " of '" + model +
                    "' in canary");
  }
  Firing firing = *found;
  const std::string share = std::to_string(static_cast<int>(report.share * 100)) + " % of requests";
  const Step step{now_unix, "canary", share, report.state, report.reason};
  MUSTER_ASSIGN_OR_RETURN(const auto told, parts_.store.Steps(firing.sweep));
  // Not when it is sent again after an answer that was lost.
  const Step& last = told.back();
  if (last.what != "canary" || last.seen != step.seen || last.decided != step.decided) {
    MUSTER_RETURN_IF_ERROR(parts_.store.Update(firing, {step}));
  }
  MUSTER_RETURN_IF_ERROR(FollowCanary(firing, now_unix));
  return firing;
}

}  // namespace muster::registry
