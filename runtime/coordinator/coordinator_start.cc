#include <algorithm>

#include "runtime/coordinator/checkpoints.h"
#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/trial_command.h"

/// Prepare, Go and Stop, each repeated until it is answered, and each wait with an end.

namespace muster::coordinator {
namespace {

/// What all nodes of the gang are told; AddPlace says what is each one's own.
wire::Prepare PrepareOf(const Config& config, const Sweep& sweep, const Trial& trial,
                        const Attempt& attempt) {
  const wire::TrialSpec& spec = sweep.spec.trial;
  wire::Prepare prepare;
  prepare.epoch = attempt.epoch;
  prepare.trial = trial.id;
  prepare.run = trial.run;
  prepare.launcher = spec.program.empty() ? wire::LauncherKind::kLocal : wire::LauncherKind::kMpi;
  prepare.command = TrialCommand(sweep, trial);
  prepare.working_dir = spec.working_dir;
  prepare.env = spec.env;
  prepare.env["MLFLOW_TRACKING_URI"] = config.tracking_uri;
  prepare.env["MLFLOW_RUN_ID"] = trial.run.value;
  prepare.env["MLFLOW_TRACKING_TOKEN"] = attempt.token;
  if (!trial.experiment_id.empty()) prepare.env["MLFLOW_EXPERIMENT_ID"] = trial.experiment_id;
  prepare.params_json = ParamsJson(sweep, trial);
  prepare.checkpoint_store = config.checkpoint_store;
  prepare.checkpoint_url = config.checkpoint_url;
  const std::string root = config.checkpoint_root + "/";
  prepare.checkpoint_dir = root + CheckpointFolder(trial.id);
  if (trial.from) {
    const std::string start = StartFolder(*trial.from);
    if (!start.empty()) prepare.start_from = root + start;
    prepare.env["MUSTER_CLONED_FROM"] = trial.from->trial.value;
    prepare.env["MUSTER_CLONED_AT_STEP"] = std::to_string(trial.from->step);
  }
  prepare.start_secret = attempt.start_secret;
  prepare.world_size = spec.ranks;
  prepare.cpus_per_rank = spec.resources.cpu;
  prepare.gpus_per_rank = sweep.shape.gpus;
  prepare.grace_ms = config.grace_ms;
  prepare.memory_bytes = spec.resources.memory_bytes;
  const wire::HangSpec& hang = sweep.spec.hang;
  if (hang.after_seconds > 0) {
    prepare.hang_ms = hang.after_seconds * 1000;
    prepare.silence_ms = std::max(hang.after_seconds, hang.first_seconds) * 1000;
    prepare.hang_action = hang.action == "report" ? wire::HangAction::kReport
                          : hang.action == "kill" ? wire::HangAction::kKill
                                                  : wire::HangAction::kRestart;
  }
  return prepare;
}

void AddPlace(wire::Prepare& prepare, const Placement& place, int node_rank) {
  prepare.ranks = place.ranks;
  prepare.first_rank = place.first_rank;
  prepare.node_rank = node_rank;
  prepare.slots = place.slots;
  prepare.devices = place.devices;
}

/// To a gang of which every node is prepared; rank 0 is on the first.
wire::Go GoOf(const Attempt& attempt) {
  const Member& first = attempt.members.front();
  wire::Go go{attempt.epoch, first.address, first.port, {}};
  if (attempt.start_secret.empty()) return go;
  for (const Member& member : attempt.members) {
    go.parts.push_back({member.address, member.port, member.place.ranks});
  }
  return go;
}

/// The nodes whose part has not come so far.
std::string NodesBefore(const Attempt& attempt, wire::AttemptPhase phase) {
  std::string names;
  for (const Member& member : attempt.members) {
    if (member.phase < phase) names += (names.empty() ? "" : ", ") + member.place.node.value;
  }
  return names;
}

/// A gang that lost a part has nothing to wait for, unless the part asked to be resumed.
std::int64_t GraceOf(const StopDecided& stop, std::int64_t grace_ms) {
  const bool lost =
      stop.reason == wire::StopReason::kGangLost && stop.cause != wire::ExitCause::kResume;
  return lost ? 0 : grace_ms;
}

}  // namespace

std::int64_t Coordinator::PrepareTimeout(const Attempt& attempt) const {
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const bool brings =
      !config_.checkpoint_url.empty() && (trial.attempts.size() > 1 || trial.from.has_value());
  return brings ? config_.bring_timeout_ms : config_.prepare_timeout_ms;
}

void Coordinator::SendPrepares(Turn& turn, const Attempt& attempt) {
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const Sweep& sweep = state_.sweeps.at(trial.sweep);
  wire::Prepare prepare = PrepareOf(config_, sweep, trial, attempt);
  prepare.keep_every = SearchOf(sweep).scheduler->clone_interval();
  if (prepare.keep_every > 0) {
    prepare.keep_dir = config_.checkpoint_root + "/" + CopiesFolder(trial.id);
  }
  int node_rank = 0;
  for (const Member& member : attempt.members) {
    AddPlace(prepare, member.place, node_rank++);
    if (member.phase == wire::AttemptPhase::kPreparing) turn.Send(member.place.node, prepare);
  }
}

/// Sends what the attempt's phase asks for and sets the time of its repetition.
void Coordinator::SendNext(Turn& turn, const Attempt& attempt) {
  AttemptWatch& watch = attempts_[attempt.epoch];
  watch.next_send.reset();
  switch (attempt.phase) {
    case wire::AttemptPhase::kPreparing:
      SendPrepares(turn, attempt);
      if (!watch.deadline) watch.deadline = turn.now + Ms(PrepareTimeout(attempt));
      break;
    case wire::AttemptPhase::kPrepared: {
      const wire::Go go = GoOf(attempt);
      for (const Member& member : attempt.members) {
        if (member.phase == wire::AttemptPhase::kPrepared) turn.Send(member.place.node, go);
      }
      if (!watch.deadline) watch.deadline = turn.now + Ms(config_.go_timeout_ms);
      break;
    }
    case wire::AttemptPhase::kStopping:
      if (Mutated(Mutation::kStopOnce) && watch.interval.count() > 0) return;
      for (const Member& member : attempt.members) {
        if (!member.live()) continue;
        if (attempt.go_sent) {
          turn.Send(member.place.node, wire::Stop{attempt.epoch, attempt.stop->reason,
                                                  GraceOf(*attempt.stop, config_.grace_ms)});
        } else {
          turn.Send(member.place.node, wire::Abort{attempt.epoch});
        }
      }
      break;
    case wire::AttemptPhase::kRunning:
    case wire::AttemptPhase::kExited:
      return;
  }
  watch.interval =
      std::clamp(watch.interval * 2, Ms(config_.resend_ms), Ms(config_.resend_most_ms));
  watch.next_send = turn.now + watch.interval;
}

void Coordinator::OnPrepared(Turn& turn, const NodeId& node, const wire::Prepared& prepared) {
  const Attempt* attempt = state_.FindAttempt(prepared.epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(node);
  if (member == nullptr) {
    turn.Send(node, wire::Abort{prepared.epoch});
    return;
  }
  AttemptWatch& watch = attempts_[prepared.epoch];
  watch.members[node].incarnation = nodes_[node].incarnation;
  if (Mutated(Mutation::kGoBeforeDurable)) {
    turn.Send(node, wire::Go{prepared.epoch, prepared.address, prepared.port});
    return;
  }
  if (attempt->phase == wire::AttemptPhase::kPreparing &&
      member->phase == wire::AttemptPhase::kPreparing) {
    Emit(turn, AttemptPrepared{prepared.epoch, node, prepared.address, prepared.port});
    if (attempt->phase == wire::AttemptPhase::kPreparing) return;  // others are not ready yet
    watch.deadline.reset();
    watch.interval = {};
    SendNext(turn, *attempt);
  }  // else the repetition of Go, Abort or Stop answers it
}

void Coordinator::OnStarted(Turn& turn, const NodeId& node, const wire::Started& started) {
  const Attempt* attempt = state_.FindAttempt(started.epoch);
  if (attempt == nullptr || attempt->LiveMember(node) == nullptr) {
    turn.Send(node, wire::Stop{started.epoch, wire::StopReason::kFenced, config_.grace_ms});
    return;
  }
  MarkRunning(turn, *attempt, node);
}

/// Ranks run: said by Started, by a record (when Started was lost) or by Hello.
void Coordinator::MarkRunning(Turn& turn, const Attempt& attempt, const NodeId& node) {
  AttemptWatch& watch = attempts_[attempt.epoch];
  watch.members[node].incarnation = nodes_[node].incarnation;
  if (attempt.phase != wire::AttemptPhase::kPrepared ||
      attempt.LiveMember(node)->phase != wire::AttemptPhase::kPrepared) {
    return;
  }
  Emit(turn, AttemptRunning{attempt.epoch, node});
  if (attempt.phase != wire::AttemptPhase::kRunning) return;  // others are not known to run yet
  watch.deadline = TimeLimit(turn, attempt);
  watch.next_send.reset();
}

void Coordinator::Decide(Turn& turn, const Attempt& attempt, StopDecided stop) {
  // Only what says more overrules: a verdict after which the trial may start again does so to a pause, and
  // what ends the trial (cancelled, pruned) to both.
  const auto weight = [](const StopDecided& one) {
    if (one.cause) return 1;
    return one.reason == wire::StopReason::kPaused ? 0 : 2;
  };
  if (attempt.stop && weight(stop) <= weight(*attempt.stop)) return;
  Emit(turn, std::move(stop));
  AttemptWatch& watch = attempts_[attempt.epoch];
  watch.deadline.reset();
  watch.interval = {};
  SendNext(turn, attempt);
  if (Mutated(Mutation::kFreeAtStop))
    EndAttempt(turn, attempt, wire::ExitCause::kStopped, {}, 0, {});
}

void Coordinator::On(Turn& turn, const Tick& /*input*/) {
  LoseSilentNodes(turn);
  EndOlderParts(turn);
  StopLateSweeps(turn);
  TendPools(turn);
  const std::set<AttemptEpoch> live = state_.live;
  for (const AttemptEpoch epoch : live) {
    const Attempt& attempt = state_.attempts.at(epoch);
    const AttemptWatch& watch = attempts_[epoch];
    const bool late = watch.deadline && turn.now >= *watch.deadline;
    if (late && attempt.phase == wire::AttemptPhase::kRunning) {
      StopForTime(turn, attempt);
    } else if (late) {
      const bool preparing = attempt.phase == wire::AttemptPhase::kPreparing;
      Decide(turn, attempt,
             {epoch, wire::StopReason::kCancelled, wire::ExitCause::kInfra,
              "node " +
                  NodesBefore(attempt, preparing ? wire::AttemptPhase::kPrepared
                                                 : wire::AttemptPhase::kRunning) +
                  (preparing ? " did not prepare" : " did not start") + " the ranks within " +
                  std::to_string((preparing ? PrepareTimeout(attempt) : config_.go_timeout_ms) /
                                 1000) +
                  " s"});
    } else if (watch.next_send && turn.now >= *watch.next_send) {
      SendNext(turn, attempt);
    }
  }
  const std::size_t delayed =
      std::erase_if(not_before_, [&](const auto& entry) { return entry.second <= turn.now; });
  if (delayed > 0) all_unsettled_ = true;
}

/// From a sweep's first start on, or after a restart for what the wall clock says is left: only then is that
/// clock asked, which people and NTP move.
void Coordinator::LimitTime(Turn& turn, const Sweep& sweep) {
  const std::int64_t limit_ms = sweep.spec.budget.time_seconds * 1000;
  if (limit_ms == 0 || sweep.started_ms == 0) return;
  const std::int64_t passed = turn.unix_now - sweep.started_ms;
  time_up_at_.try_emplace(sweep.id,
                          turn.now + Ms(limit_ms - std::clamp<std::int64_t>(passed, 0, limit_ms)));
}

void Coordinator::StopLateSweeps(Turn& turn) {
  for (auto entry = time_up_at_.begin(); entry != time_up_at_.end();) {
    if (turn.now < entry->second) {
      ++entry;
      continue;
    }
    const Sweep& sweep = state_.sweeps.at(entry->first);
    entry = time_up_at_.erase(entry);
    if (IsFinal(sweep.phase) || sweep.phase == SweepPhase::kPromoting || sweep.time_up ||
        sweep.cancelled) {
      continue;
    }
    const std::string message = "the sweep's time limit of " +
                                std::to_string(sweep.spec.budget.time_seconds) + " s has passed";
    Emit(turn, SweepChanged{sweep.id, SweepChange::kTimeUp, message});
    StopAll(turn, sweep, wire::StopReason::kCancelled, message);
    unsettled_.insert(sweep.id);
  }
}

}  // namespace muster::coordinator
