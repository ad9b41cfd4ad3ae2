#include <algorithm>
#include <chrono>
#include <csignal>

#include "runtime/agent/exit_cause.h"
#include "runtime/agent/machine.h"

namespace muster::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxRetired = 4096;

}  // namespace

bool SlotsMeet(const wire::Prepare& one, const wire::Prepare& other) {
  return std::ranges::any_of(one.slots, [&other](int slot) {
    return std::ranges::find(other.slots, slot) != other.slots.end();
  });
}

int Machine::LiveAttempts() const {
  return static_cast<int>(std::ranges::count_if(
      attempts_, [](const auto& entry) { return entry.second.phase < Phase::kDraining; }));
}

// --- the beginning ----------------------------------------------------------------------------------

void Machine::Adopt(const FoundAttempt& found) {
  const AttemptEpoch epoch = found.prepare.epoch;
  Attempt& attempt = attempts_[epoch];
  attempt.prepare = found.prepare;
  attempt.address = found.address;
  attempt.port = found.port;
  attempt.activity = now_;
  for (const int slot : found.prepare.slots)
    slot_epochs_[slot] = std::max(slot_epochs_[slot], epoch);
  attempt.started = found.phase >= wire::AttemptPhase::kRunning;
  if (attempt.started) OpenSpools(attempt);
  switch (found.phase) {
    case wire::AttemptPhase::kPreparing:
      attempt.phase = Phase::kMaking;
      break;
    case wire::AttemptPhase::kPrepared:
      attempt.phase = Phase::kPrepared;
      break;
    default:
      attempt.phase = Phase::kRunning;
  }
  if (found.end_cause) {
    // An earlier agent was ending it; how much of the grace it had left is lost.
    End(attempt, *found.end_cause, found.end_message, found.prepare.grace_ms);
  } else if (attempt.phase == Phase::kMaking) {
    End(attempt, wire::ExitCause::kInfra,
        "the agent was restarted while it prepared the attempt, or the machine was since", 0);
  } else if (found.phase == wire::AttemptPhase::kExited) {
    Kill(attempt);
  }
}

std::string Machine::WhyRefused(const wire::Prepare& prepare) const {
  const std::string name = "attempt " + std::to_string(prepare.epoch.value);
  if (!quit_why_.empty()) return "the node takes no more work: " + quit_why_;
  if (prepare.epoch <= retired_below_ || retired_.contains(prepare.epoch))
    return name + " has already ended on this node";
  for (const int slot : prepare.slots) {
    if (slot < 0 || slot >= options_.slots)
      return name + " wants slot " + std::to_string(slot) + "; this node has slots 0 to " +
             std::to_string(options_.slots - 1);
    const auto seen = slot_epochs_.find(slot);
    if (seen != slot_epochs_.end() && seen->second > prepare.epoch)
      return "slot " + std::to_string(slot) + " was given to the newer attempt " +
             std::to_string(seen->second.value) + " before " + name + " came";
  }
  for (const auto& [epoch, attempt] : attempts_) {
    if (epoch > prepare.epoch && attempt.prepare.trial == prepare.trial)
      return "the newer attempt " + std::to_string(epoch.value) + " of trial " +
             prepare.trial.value + " was here before " + name;
  }
  return {};
}

void Machine::MakeWaiting() {
  for (auto& [epoch, attempt] : attempts_) {
    if (attempt.phase != Phase::kWaiting) continue;
    const bool blocked = std::ranges::any_of(attempts_, [&](const auto& entry) {
      const auto& [other_epoch, other] = entry;
      return other_epoch < epoch && other.phase < Phase::kDraining &&
             (other.prepare.trial == attempt.prepare.trial ||
              SlotsMeet(other.prepare, attempt.prepare));
    });
    if (blocked && !Mutated(Mutation::kNoWaiting)) continue;
    attempt.phase = Phase::kMaking;
    RenewLease();
    effects_.emplace_back(MakeAttempt{attempt.prepare});
  }
}

void Machine::On(const ShimReady& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr || attempt->phase != Phase::kMaking) return;
  attempt->phase = Phase::kPrepared;
  attempt->address = input.address;
  attempt->port = input.port;
  Send(wire::Prepared{input.epoch, input.address, input.port});
}

void Machine::Start(Attempt& attempt, const wire::Go& go) {
  attempt.phase = Phase::kStarting;
  attempt.activity = now_;
  effects_.emplace_back(StartRanks{go});
  NoteStarted(attempt);
}

/// Ranks may have run: their spools count.
void Machine::NoteStarted(Attempt& attempt) {
  attempt.started = true;
  OpenSpools(attempt);
}

void Machine::On(const ShimStarted& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr || attempt->phase >= Phase::kDraining) return;
  // By the order of an earlier agent, which this one found as prepared: mpirun takes its time.
  if (!attempt->started) NoteStarted(*attempt);
  if (attempt->phase > Phase::kStarting) return;
  attempt->phase = Phase::kRunning;
  attempt->activity = now_;
  Send(wire::Started{input.epoch});
}

void Machine::On(const Activity& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr) return;
  attempt->activity = now_;
  attempt->silence_told = false;
}

void Machine::On(const MakeFailed& input) {
  if (Attempt* attempt = Find(input.epoch)) End(*attempt, input.cause, input.message, 0);
}

// --- the end ----------------------------------------------------------------------------------------

void Machine::End(Attempt& attempt, wire::ExitCause cause, std::string message,
                  std::int64_t grace_ms) {
  const AttemptEpoch epoch = attempt.prepare.epoch;
  if (attempt.phase >= Phase::kKilling) {
    // Why it ended is settled. Only that nobody wants its spools any more can be news.
    FinishIfDrained(attempt);
    if (attempt.phase == Phase::kExited) SendExited(attempt);
    return;
  }
  if (!attempt.end_cause) {
    attempt.end_cause = cause;
    attempt.end_message = std::move(message);
    if (attempt.phase != Phase::kWaiting)
      effects_.emplace_back(NoteEnd{epoch, cause, attempt.end_message});
  }
  if (grace_ms <= 0 || !attempt.started) {
    Kill(attempt);
    return;
  }
  const MonotonicTime kill_at = now_ + milliseconds(grace_ms);
  if (attempt.phase == Phase::kStopping) {
    attempt.kill_at = std::min(attempt.kill_at, kill_at);
    return;
  }
  attempt.phase = Phase::kStopping;
  attempt.kill_at = kill_at;
  effects_.emplace_back(SignalRanks{epoch, SIGTERM});
}

void Machine::Kill(Attempt& attempt) {
  if (attempt.phase >= Phase::kKilling) return;
  const bool made = attempt.phase != Phase::kWaiting;
  attempt.phase = Phase::kKilling;
  if (made) effects_.emplace_back(KillAttempt{attempt.prepare.epoch});
  if (!made || Mutated(Mutation::kEmptyUnseen)) {
    On(SlotEmpty{.epoch = attempt.prepare.epoch, .records_end = 0, .logs_end = {}});
  }
}

void Machine::On(const RanksExited& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr || !attempt->started || attempt->phase >= Phase::kDraining) return;
  auto& exits = attempt->exits;
  for (const RanksExited::Rank& rank : input.ranks) {
    const bool known = std::ranges::any_of(
        exits, [&rank](const auto& other) { return other.exit.rank == rank.exit.rank; });
    if (!known) exits.push_back(rank);
  }
  attempt->all_exited =
      attempt->all_exited || input.all || static_cast<int>(exits.size()) >= attempt->prepare.ranks;
  if (attempt->all_exited) {
    Kill(*attempt);  // what the ranks left behind
    return;
  }
  const auto first =
      std::ranges::find_if(exits, [](const auto& rank) { return rank.exit.code != 0; });
  if (first == exits.end() || attempt->phase >= Phase::kStopping) return;
  if (first->exit.code != kResumeCode) {
    Kill(*attempt);  // the rest of the gang waits for a rank that is gone
    return;
  }
  // Its peers are at their own checkpoints; ranks that were not told to end are told now.
  attempt->phase = Phase::kStopping;
  attempt->kill_at = now_ + milliseconds(attempt->prepare.grace_ms);
  effects_.emplace_back(SignalRanks{input.epoch, SIGTERM});
}

void Machine::On(const ShimLost& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr) return;
  const std::string name = "attempt " + std::to_string(input.epoch.value);
  End(*attempt, wire::ExitCause::kInfra,
      input.message.empty() ? "the shim of " + name + " was lost" : name + ": " + input.message, 0);
}

void Machine::On(const SlotEmpty& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr || attempt->phase != Phase::kKilling) return;
  const bool wrote = input.records_end > 0 || !input.logs_end.empty();
  if (wrote && !attempt->started) NoteStarted(*attempt);  // killed before all of its ranks ran
  attempt->phase = Phase::kDraining;
  attempt->used = input.used;
  attempt->log_progress = now_;
  attempt->records.final = input.records_end;
  for (auto& [name, log] : attempt->logs) {
    const auto end = input.logs_end.find(name);
    log.spool.final = end == input.logs_end.end() ? 0 : end->second;
  }
  FinishIfDrained(*attempt);
  MakeWaiting();
}

void Machine::FinishIfDrained(Attempt& attempt) {
  if (attempt.phase != Phase::kDraining) return;
  const auto acked = [](const Spool& spool) { return spool.acked >= spool.final.value_or(0); };
  if (attempt.started && !attempt.discard) {
    if (!acked(attempt.records) && !Mutated(Mutation::kExitedUndrained)) return;
    const bool logs_acked = std::ranges::all_of(
        attempt.logs, [&acked](const auto& entry) { return acked(entry.second.spool); });
    const bool waited =
        welcomed_ && now_ - attempt.log_progress >= milliseconds(options_.log_drain_ms);
    if (!logs_acked && !waited) return;
  }
  attempt.phase = Phase::kExited;
  SendExited(attempt);
}

void Machine::SendExited(Attempt& attempt) {
  attempt.exited_sent = now_;
  Verdict verdict = Classify(attempt.exits, attempt.prepare.ranks, attempt.all_exited);
  if (attempt.end_cause) verdict = {*attempt.end_cause, attempt.end_message};
  wire::Exited exited{.epoch = attempt.prepare.epoch,
                      .started = attempt.started,
                      .cause = verdict.cause,
                      .message = std::move(verdict.message),
                      .ranks = {},
                      .records_end = attempt.records.final.value_or(0),
                      .used = attempt.used};
  for (const auto& rank : attempt.exits) exited.ranks.push_back(rank.exit);
  Send(std::move(exited));
}

void Machine::RefuseUnknown(AttemptEpoch epoch, std::string why) {
  Retire(epoch);
  Send(wire::Exited{.epoch = epoch,
                    .started = false,
                    .cause = wire::ExitCause::kInfra,
                    .message = std::move(why),
                    .ranks = {},
                    .records_end = 0});
}

void Machine::Retire(AttemptEpoch epoch) {
  if (epoch <= retired_below_) return;
  retired_.insert(epoch);
  if (retired_.size() > kMaxRetired) {
    retired_below_ = *retired_.begin();
    retired_.erase(retired_.begin());
  }
}

void Machine::TickAttempt(Attempt& attempt) {
  TickHang(attempt);
  if (attempt.phase == Phase::kStopping && now_ >= attempt.kill_at) Kill(attempt);
  if (!welcomed_) return;
  SendAgainIfSilent(attempt);
  FinishIfDrained(attempt);
  if (attempt.phase == Phase::kExited &&
      now_ - attempt.exited_sent >= milliseconds(options_.resend_ms)) {
    SendExited(attempt);
  }
}

}  // namespace muster::agent
