#include "runtime/agent/machine.h"

#include <algorithm>
#include <chrono>
#include <csignal>

namespace muster::agent {
namespace {

using std::chrono::milliseconds;

/// After the oldest heartbeat that asked for an answer and has none, so many more before the agent introduces
/// itself again: the coordinator may be a new one behind a connection that never broke.
constexpr int kPatience = 2;
/// Without attempts there is nothing that a lapsed lease would end: it only has to be fresh enough for a Prepare
/// that comes. So old, in heartbeats, it is renewed; until then heartbeats ask for no answer.
constexpr int kIdleLease = 4;
/// ... and so much longer than without attempts a lonely node keeps what those that have ended came to.
constexpr int kLonelyWithResults = 10;
constexpr std::size_t kMaxBeats = 1024;

std::string Name(AttemptEpoch epoch) { return "attempt " + std::to_string(epoch.value); }

/// What the coordinator is told; finer steps are the agent's own business.
wire::AttemptPhase ReportPhase(Phase phase) {
  switch (phase) {
    case Phase::kWaiting:
    case Phase::kMaking:
      return wire::AttemptPhase::kPreparing;
    case Phase::kPrepared:
      return wire::AttemptPhase::kPrepared;
    case Phase::kStarting:
    case Phase::kRunning:
      return wire::AttemptPhase::kRunning;
    case Phase::kStopping:
    case Phase::kKilling:
      return wire::AttemptPhase::kStopping;
    case Phase::kDraining:
    case Phase::kExited:
      return wire::AttemptPhase::kExited;
  }
  return wire::AttemptPhase::kPreparing;
}

}  // namespace

Effects Machine::Step(const Input& input, MonotonicTime now) {
  now_ = now;
  effects_.clear();
  FenceIfLeasePassed();
  std::visit([this](const auto& one) { On(one); }, input);
  QuitWhenEmpty();
  return std::move(effects_);
}

void Machine::Send(wire::Message message) {
  // Before Welcome the coordinator may still take this agent for the one before it, so that anything but
  // Hello would be understood as that one's.
  const bool hello = std::holds_alternative<wire::Hello>(message);
  if (!connected_ || !found_ || (!welcomed_ && !hello)) return;
  effects_.emplace_back(
      agent::Send{wire::Envelope{.coordinator = coordinator_, .message = std::move(message)}});
}

Attempt* Machine::Find(AttemptEpoch epoch) {
  const auto found = attempts_.find(epoch);
  return found == attempts_.end() ? nullptr : &found->second;
}

// --- the connection and the lease -------------------------------------------------------------------

void Machine::On(const FoundAtStart& input) {
  if (found_) return;
  found_ = true;
  // The lease of what was found starts anew: whoever held it before is not known here.
  lease_from_ = heard_ = now_;
  for (const FoundAttempt& found : input.attempts) Adopt(found);
  if (!attempts_.empty()) RenewLease();
  if (connected_) On(Connected{});
}

void Machine::On(const Connected&) {
  connected_ = true;
  Introduce();
}

/// Begins to say Hello until Welcome comes.
void Machine::Introduce() {
  welcomed_ = false;
  SendHello();
}

void Machine::On(const Disconnected&) {
  connected_ = false;
  welcomed_ = false;
  beats_.clear();
  hellos_.clear();
}

void Machine::SendHello() {
  beat_ = now_;
  wire::Hello hello{.node = options_.node,
                    .host = options_.host,
                    .slots = options_.slots,
                    .gpus = options_.gpus,
                    .gpu_memory = options_.gpu_memory,
                    .resources = options_.resources,
                    .labels = options_.labels,
                    .incarnation = options_.incarnation,
                    .attempts = {},
                    .sequence = ++hellos_said_,
                    .limits = options_.limits,
                    .remote_start = true};
  hellos_.emplace_back(hellos_said_, now_);
  if (hellos_.size() > kMaxBeats) hellos_.pop_front();
  for (const auto& [epoch, attempt] : attempts_)
    hello.attempts.push_back({epoch, attempt.prepare.trial, ReportPhase(attempt.phase)});
  Send(std::move(hello));
}

void Machine::SendHeartbeat(bool asks) {
  beat_ = now_;
  if (asks) {
    beats_.emplace_back(++sequence_, now_);
    if (beats_.size() > kMaxBeats) beats_.pop_front();
  }
  Send(wire::Heartbeat{options_.node, asks ? sequence_ : 0});
}

bool Machine::LeaseHolds() const {
  return found_ && now_ - lease_from_ < milliseconds(options_.lease_ms);
}

/// So that shims outlive a silent agent no longer than the coordinator waits for it.
void Machine::RenewLease() {
  if (!options_.orphans_end) return;
  milliseconds lease(options_.lease_ms + options_.fence_grace_ms + options_.orphan_margin_ms);
  if (Mutated(Mutation::kNoFence)) lease *= 1'000;
  effects_.emplace_back(agent::RenewLease{lease_from_ + lease});
}

void Machine::FenceIfLeasePassed() {
  if (!found_ || LeaseHolds() || Mutated(Mutation::kNoFence)) return;
  for (auto& [epoch, attempt] : attempts_) {
    if (attempt.phase == Phase::kStopping) {
      // Whatever grace it was given: the coordinator counts on its end.
      attempt.kill_at = std::min(attempt.kill_at, now_ + milliseconds(options_.fence_grace_ms));
    }
    if (attempt.phase >= Phase::kStopping) continue;
    if (attempt.phase == Phase::kPrepared && Mutated(Mutation::kGoAfterLease)) continue;
    End(attempt, wire::ExitCause::kNode,
        "the node heard nothing from the coordinator for " + std::to_string(options_.lease_ms) +
            " ms and ended " + Name(epoch),
        options_.fence_grace_ms);
  }
}

void Machine::On(const Tick&) {
  if (!found_) return;
  const milliseconds heartbeat(options_.heartbeat_ms);
  if (connected_ && now_ - beat_ >= heartbeat) {
    const bool silent = !beats_.empty() && now_ - beats_.front().second >= kPatience * heartbeat;
    if (welcomed_ && silent) Introduce();
    if (!welcomed_) {
      if (beat_ != now_) SendHello();
    } else {
      SendHeartbeat(!attempts_.empty() || now_ - lease_from_ >= kIdleLease * heartbeat);
      if (leaving_) Send(wire::Leaving{*leaving_});
    }
  }
  if (leaving_) LeaveOn();
  if (now_ - heard_ >= milliseconds(options_.lonely_ms))
    GiveUp("the coordinator was silent for " + std::to_string(options_.lonely_ms / 1000) + " s");
  for (auto& [epoch, attempt] : attempts_) TickAttempt(attempt);
  if (options_.lonely_ms > 0 &&
      now_ - heard_ >= milliseconds(kLonelyWithResults * options_.lonely_ms))
    DropEnded();
}

/// Nobody will ever hear what they came to.
void Machine::DropEnded() {
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    if (it->second.phase < Phase::kDraining) {
      ++it;
      continue;
    }
    effects_.emplace_back(ForgetAttempt{it->first});
    it = attempts_.erase(it);
  }
}

void Machine::On(const Leave& input) {
  if (leaving_) return;
  leaving_ = input.cause;
  left_at_ = now_;
  quit_why_ = input.cause == wire::ExitCause::kWalltime ? "the node's time is over"
                                                        : "the node is taken away";
  Send(wire::Leaving{input.cause});
}

/// What runs here is ended by the lease, and nobody will hear how.
void Machine::On(const Refused& input) {
  refused_ = options_.lonely_ms > 0;
  GiveUp(input.why);
}

void Machine::GiveUp(std::string why) {
  if (options_.lonely_ms == 0 || !quit_why_.empty()) return;
  quit_why_ = std::move(why);
  quit_failed_ = true;
}

/// A coordinator that does not answer must not cost the ranks what time they have.
void Machine::LeaveOn() {
  if (now_ - left_at_ < milliseconds(options_.leave_ms)) return;
  for (auto& [epoch, attempt] : attempts_) {
    if (attempt.phase < Phase::kStopping)
      End(attempt, *leaving_, quit_why_ + " under " + Name(epoch), options_.leave_grace_ms);
  }
}

void Machine::QuitWhenEmpty() {
  const bool done = refused_ ? LiveAttempts() == 0 : attempts_.empty();
  if (quit_ || quit_why_.empty() || !found_ || !done) return;
  quit_ = true;
  effects_.emplace_back(Quit{quit_why_, quit_failed_});
}

// --- what the coordinator says ----------------------------------------------------------------------

void Machine::On(const Received& input) {
  const bool old =
      input.envelope.coordinator < coordinator_ && !Mutated(Mutation::kFollowOldCoordinator);
  if (!found_ || !connected_ || old) return;
  const bool welcome = std::holds_alternative<wire::Welcome>(input.envelope.message);
  if (input.envelope.coordinator > coordinator_ && welcomed_ && !welcome) {
    // A new coordinator behind a connection that never broke: it must be told who is here.
    coordinator_ = input.envelope.coordinator;
    Introduce();
  }
  heard_ = now_;
  // What comes before Welcome was meant for an earlier agent or connection. It comes again. But a node whose allocation
  // has ended gets no Welcome, and what is said of its end holds whatever it was.
  const bool last = std::holds_alternative<wire::Retire>(input.envelope.message) ||
                    std::holds_alternative<wire::Forget>(input.envelope.message);
  if (!welcome && !welcomed_ && !last) return;
  coordinator_ = input.envelope.coordinator;
  std::visit([this](const auto& message) { OnMessage(message); }, input.envelope.message);
}

void Machine::OnMessage(const wire::Welcome& welcome) {
  if (welcome.coordinator < coordinator_) return;
  coordinator_ = welcome.coordinator;
  welcomed_ = true;
  beats_.clear();  // what they asked is answered
  options_.lease_ms = welcome.lease_ms;
  options_.heartbeat_ms = welcome.heartbeat_ms;
  // It may be late, or one of many: the lease counts from the very Hello that it answers.
  Heard(hellos_, welcome.hello);
  if (!attempts_.empty()) RenewLease();

  for (const AttemptEpoch epoch : welcome.kill) {
    Attempt* attempt = Find(epoch);
    if (attempt == nullptr) continue;
    attempt->discard = true;
    End(*attempt, wire::ExitCause::kFenced, "the coordinator has no more use for " + Name(epoch),
        0);
  }
  for (const AttemptEpoch epoch : welcome.keep) {
    Attempt* attempt = Find(epoch);
    if (attempt == nullptr) continue;
    if (const auto end = welcome.records_end.find(std::to_string(epoch.value));
        end != welcome.records_end.end()) {
      attempt->records.acked = std::max(attempt->records.acked, end->second);
    }
  }
  // What was sent to the last connection may be lost.
  for (auto& [epoch, attempt] : attempts_) {
    attempt.log_progress = now_;
    SendAgain(attempt);
    SendNotices(attempt);
    if (attempt.phase == Phase::kExited)
      SendExited(attempt);
    else
      FinishIfDrained(attempt);
  }
}

void Machine::OnMessage(const wire::HeartbeatAck& ack) {
  if (Heard(beats_, ack.sequence) && !attempts_.empty()) RenewLease();
}

/// The coordinator has heard what was sent as number `answered`; false when that was known before.
bool Machine::Heard(std::deque<std::pair<std::int64_t, MonotonicTime>>& sent,
                    std::int64_t answered) {
  bool renewed = false;
  while (!sent.empty() && sent.front().first <= answered) {
    if (sent.front().first == answered) {
      lease_from_ = std::max(lease_from_, sent.front().second);
      renewed = true;
    }
    sent.pop_front();
  }
  return renewed;
}

void Machine::OnMessage(const wire::Prepare& prepare) {
  // Without a lease it would be ended again at once; the coordinator asks again.
  if (!LeaseHolds()) return;
  const AttemptEpoch epoch = prepare.epoch;
  if (Attempt* known = Find(epoch)) {
    if (known->phase == Phase::kPrepared)
      Send(wire::Prepared{epoch, known->address, known->port});
    else if (known->phase == Phase::kExited)
      SendExited(*known);
    return;
  }
  if (std::string why = WhyRefused(prepare); !why.empty()) {
    RefuseUnknown(epoch, std::move(why));
    return;
  }
  for (auto& [other, attempt] : attempts_) {
    const bool same_trial = attempt.prepare.trial == prepare.trial;
    if (same_trial || SlotsMeet(attempt.prepare, prepare)) {
      attempt.discard = true;
      End(attempt, wire::ExitCause::kFenced, Name(epoch) + " took the place of " + Name(other), 0);
    }
  }
  for (const int slot : prepare.slots) slot_epochs_[slot] = epoch;
  attempts_[epoch].prepare = prepare;
  MakeWaiting();
}

void Machine::OnMessage(const wire::Go& go) {
  Attempt* attempt = Find(go.epoch);
  if (attempt == nullptr) {
    RefuseUnknown(go.epoch, "the node knows no " + Name(go.epoch) + " to start");
  } else if (attempt->phase == Phase::kPrepared &&
             (LeaseHolds() || Mutated(Mutation::kGoAfterLease))) {
    Start(*attempt, go);
  } else if (attempt->phase == Phase::kRunning && Mutated(Mutation::kStartAgain)) {
    Start(*attempt, go);
  } else if (attempt->phase == Phase::kRunning) {
    Send(wire::Started{go.epoch});
  } else if (attempt->phase == Phase::kExited) {
    SendExited(*attempt);
  }
}

void Machine::OnMessage(const wire::Abort& abort) {
  Attempt* attempt = Find(abort.epoch);
  if (attempt == nullptr) {
    RefuseUnknown(abort.epoch, Name(abort.epoch) + " was aborted before it was prepared");
    return;
  }
  End(*attempt, wire::ExitCause::kStopped, "the coordinator aborted " + Name(abort.epoch), 0);
}

void Machine::OnMessage(const wire::Stop& stop) {
  Attempt* attempt = Find(stop.epoch);
  if (attempt == nullptr) {
    RefuseUnknown(stop.epoch, "the node knows no " + Name(stop.epoch) + " to stop");
    return;
  }
  const bool fenced = stop.reason == wire::StopReason::kFenced;
  if (fenced) attempt->discard = true;
  End(*attempt, fenced ? wire::ExitCause::kFenced : wire::ExitCause::kStopped,
      "the coordinator stopped " + Name(stop.epoch), stop.grace_ms);
}

void Machine::OnMessage(const wire::AskCheckpoint& ask) {
  const Attempt* attempt = Find(ask.epoch);
  if (attempt != nullptr && attempt->phase == Phase::kRunning)
    effects_.emplace_back(SignalRanks{ask.epoch, SIGUSR2});
}

void Machine::OnMessage(const wire::Retire& retire) {
  if (quit_why_.empty()) quit_why_ = retire.why.empty() ? "the node is not wanted" : retire.why;
}

void Machine::OnMessage(const wire::Forget& forget) {
  const Attempt* attempt = Find(forget.epoch);
  // Processes that may still live are never forgotten, whatever the coordinator believes.
  if (attempt == nullptr || attempt->phase < Phase::kDraining) return;
  effects_.emplace_back(ForgetAttempt{forget.epoch});
  attempts_.erase(forget.epoch);
  Retire(forget.epoch);
}

}  // namespace muster::agent
