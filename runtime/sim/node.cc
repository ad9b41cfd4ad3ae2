#include "runtime/sim/node.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iterator>
#include <utility>

#include "runtime/agent/describe.h"

namespace muster::sim {
namespace {

/// As `muster agent join --allocation` has it.
constexpr std::int64_t kLonelyMs = 120'000;

/// `bytes` bytes of output as base64; what they say does not matter, how many they are does.
std::string Base64OfZeros(std::int64_t bytes) {
  std::string text(static_cast<std::size_t>((bytes + 2) / 3 * 4), 'A');
  for (std::int64_t pad = (3 - bytes % 3) % 3, at = 1; at <= pad; ++at)
    text[text.size() - static_cast<std::size_t>(at)] = '=';
  return text;
}

/// A gang that mpirun spreads has a secret, and its Go lists what each node was prepared for.
bool PartsFit(const wire::Prepare& prepare, const wire::Go& go) {
  const bool spread =
      prepare.launcher == wire::LauncherKind::kMpi && prepare.ranks < prepare.world_size;
  if (spread == prepare.start_secret.empty()) return false;
  if (!spread) return go.parts.empty();
  const auto own = static_cast<std::size_t>(prepare.node_rank);
  int ranks = 0;
  for (const wire::GangPart& part : go.parts) ranks += part.ranks;
  return own < go.parts.size() && go.parts[own].ranks == prepare.ranks &&
         ranks == prepare.world_size;
}

}  // namespace

Node::Node(World& world, std::string name, int slots, SendFn send, Hooks hooks)
    : world_(world),
      name_(std::move(name)),
      slots_(slots),
      send_(std::move(send)),
      hooks_(std::move(hooks)) {
  clock_rate_ = 1 + world_.random.Uniform(-world_.rates.drift, world_.rates.drift);
  clock_offset_ = world_.Between(0, 1000 * kSecond);
  broken_ = world_.random.Chance(world_.rates.broken);
}

Node::Node(World& world, std::string name, int slots, SendFn send, Hooks hooks, Lent lent)
    : Node(world, std::move(name), slots, std::move(send), std::move(hooks)) {
  lent_ = std::move(lent);
}

MonotonicTime Node::LocalTime() const {
  const auto passed =
      static_cast<Micros>(static_cast<double>(world_.scheduler.now()) * clock_rate_);
  return MonotonicTime{} + std::chrono::microseconds(passed + clock_offset_);
}

// --- lives and deaths -------------------------------------------------------------------------------

void Node::BootAgent() {
  ++life_;
  steady_since_ = world_.scheduler.now();
  agent::Options options;
  options.node = NodeId(name_);
  options.host = name_;
  options.slots = slots_;
  options.incarnation = incarnation();
  if (lent_) options.lonely_ms = kLonelyMs;
  options.mutation = world_.agent_bug;
  agent_ = std::make_unique<agent::Agent>(std::move(options));
  agent::FoundAtStart found;
  for (const auto& [epoch, gang] : gangs_) {
    found.attempts.push_back({.prepare = gang->prepare,
                              .phase = gang->phase,
                              .address = gang->phase == wire::AttemptPhase::kPreparing ? "" : name_,
                              .port = 4000,
                              .end_cause = gang->end_cause,
                              .end_message = gang->end_message});
  }
  Input(found);
  for (const auto& [epoch, gang] : gangs_) {
    if (!gang->exits.empty()) InputLater(agent::RanksExited{epoch, gang->exits}, 0);
    if (!gang->ShimLives() && !gang->AllExitsSeen()) InputLater(agent::ShimLost{epoch}, 0);
  }
  TickForEver(life_);
}

void Node::StopAgent() {
  agent_.reset();
  ++life_;
  connected_ = false;
  crash_armed_ = false;
  pause_armed_ = paused_until_ = 0;
  held_.clear();
  reads_.clear();
  log_reads_.clear();
}

void Node::CrashAgent() {
  world_.Trace([&] { return name_ + " agent crashes"; });
  StopAgent();
  if (lent_) return EndLent(137);
  world_.scheduler.After(world_.About(world_.rates.agent_down), [this, life = life_] {
    if (life == life_) BootAgent();
  });
}

void Node::EndLent(int exit_code) {
  if (std::exchange(vanished_, true)) return;
  if (lent_->ended) lent_->ended(exit_code);
}

void Node::Leave(wire::ExitCause cause) {
  if (agent_up()) Input(agent::Leave{cause});
}

void Node::KillLent(bool contained) {
  world_.Trace([&] { return name_ + " is killed" + (contained ? ", all of it" : ""); });
  if (agent_up()) StopAgent();
  EndLent(137);
  if (!contained) return;
  for (const auto& [epoch, gang] : gangs_) gang->LosePower();
  gangs_.clear();
}

void Node::CrashMachine() {
  CrashAgent();
  world_.Trace([&] { return name_ + " machine crashes"; });
  for (const auto& [epoch, gang] : gangs_) gang->LosePower();
  if (world_.Fault(world_.rates.disk_lost)) {
    world_.Trace([&] { return name_ + " loses its disk"; });
    gangs_.clear();
  }
}

void Node::KillProcess() {
  if (gangs_.empty()) return;
  const auto victim = std::next(gangs_.begin(), world_.Between(0, std::ssize(gangs_) - 1));
  world_.Trace(
      [&] { return name_ + " loses a process of attempt " + std::to_string(victim->first.value); });
  if (world_.random.Chance(0.7))
    victim->second->LoseRank();
  else
    victim->second->LoseShim();
}

void Node::Vanish() {
  CrashMachine();
  ++life_;  // nobody boots it
  vanished_ = true;
  gangs_.clear();
}

void Node::TickForEver(std::int64_t life) {
  world_.scheduler.After(world_.Between(20, 100) * kMillisecond, [this, life] {
    if (life != life_) return;
    Input(agent::Tick{});
    TickForEver(life);
  });
}

void Node::Connect() {
  connected_ = true;
  Input(agent::Connected{});
}

void Node::Disconnect() {
  connected_ = false;
  if (agent_ != nullptr) Input(agent::Disconnected{});
}

void Node::Receive(wire::Envelope envelope) { Input(agent::Received{std::move(envelope)}); }

void Node::PauseAgent(Micros how_long) {
  pause_armed_ = 0;
  ++pauses_;
  world_.Trace([&] { return name_ + " agent is stopped for a while"; });
  paused_until_ = std::max(paused_until_, world_.scheduler.now() + how_long);
  steady_since_ = paused_until_;
  world_.scheduler.After(paused_until_ - world_.scheduler.now(), [this, life = life_] {
    // What is held may stop it again.
    while (life == life_ && !paused() && !held_.empty()) {
      const std::function<void()> next = std::move(held_.front());
      held_.pop_front();
      next();
    }
  });
}

void Node::WhenAwake(std::function<void()> action) {
  if (paused() || !held_.empty())
    held_.push_back(std::move(action));
  else
    action();
}

void Node::Input(const agent::Input& input) {
  if (paused() && std::holds_alternative<agent::Tick>(input)) return;
  WhenAwake([this, input] { Step(input); });
}

void Node::Step(const agent::Input& input) {
  if (agent_ == nullptr || !world_.violation.empty()) return;
  if (!std::holds_alternative<agent::Tick>(input))
    world_.Trace([&] { return name_ + " < " + agent::Describe(input); });
  CarryOut(agent_->Step(input, LocalTime()), 0);
}

/// The effects from `next` on; a crash or a pause may come before each.
void Node::CarryOut(const agent::Effects& effects, std::size_t next) {
  const std::int64_t life = life_;
  for (; next < effects.size(); ++next) {
    if (crash_armed_ && world_.random.Chance(0.5)) CrashAgent();
    if (life != life_) return;
    if (pause_armed_ != 0 && world_.random.Chance(0.5)) {
      PauseAgent(pause_armed_);
      held_.emplace_front([this, effects, next] {
        late_ = true;
        CarryOut(effects, next);
        late_ = false;
      });
      return;
    }
    world_.Trace([&] { return name_ + "   > " + agent::Describe(effects[next]); });
    std::visit([this](const auto& one) { Do(one); }, effects[next]);
  }
}

void Node::InputLater(agent::Input input, Micros delay) {
  world_.scheduler.After(delay, [this, life = life_, input = std::move(input)] {
    if (life == life_) Input(input);
  });
}

Gang::Events Node::WatchOf(AttemptEpoch epoch) {
  // A shim outlives agents; whichever agent lives when something happens is told.
  return {.rank_exited =
              [this, epoch](const agent::RanksExited::Rank& rank) {
                InputLater(agent::RanksExited{epoch, {rank}}, world_.About(5 * kMillisecond));
                if (rank.exit.code != 0 && agent_up() && !paused()) ExpectGangToEnd(epoch);
              },
          .shim_lost = [this, epoch] { InputLater(agent::ShimLost{epoch}, 10 * kMillisecond); },
          .spool_grew =
              [this, epoch] {
                InputLater(agent::Activity{epoch}, kMillisecond);
                ServeReads(epoch);
              }};
}

void Node::ExpectGangToEnd(AttemptEpoch epoch) {
  // The grace of ranks that asked to be resumed is 10 s; drift and the sweep come on top.
  world_.scheduler.After(12 * kSecond, [this, epoch, life = life_, pauses = pauses_] {
    const auto found = gangs_.find(epoch);
    if (life == life_ && pauses == pauses_ && found != gangs_.end() &&
        found->second->LivingRanks() > 0)
      world_.Violate("S4: ranks of attempt " + std::to_string(epoch.value) +
                     " outlive their first dead one by 12 s");
  });
}

// --- effects ----------------------------------------------------------------------------------------

void Node::Do(const agent::Send& effect) {
  if (connected_) send_(effect.envelope);
}

void Node::CheckSlots(const wire::Prepare& prepare) {
  // S3: a slot never holds processes of two attempts.
  for (const auto& [epoch, gang] : gangs_) {
    if (epoch == prepare.epoch || !gang->AnyProcess()) continue;
    for (const int slot : prepare.slots) {
      if (std::ranges::find(gang->prepare.slots, slot) != gang->prepare.slots.end())
        world_.Violate("S3: on " + name_ + " attempt " + std::to_string(prepare.epoch.value) +
                       " starts on slot " + std::to_string(slot) + " while processes of attempt " +
                       std::to_string(epoch.value) + " live");
    }
  }
  const int wanted = prepare.ranks * prepare.cpus_per_rank;
  if (static_cast<int>(prepare.slots.size()) != wanted)
    world_.Violate("S4: attempt " + std::to_string(prepare.epoch.value) + " wants " +
                   std::to_string(wanted) + " slots and has " +
                   std::to_string(prepare.slots.size()));
}

void Node::Do(const agent::MakeAttempt& effect) {
  const AttemptEpoch epoch = effect.prepare.epoch;
  if (gangs_.contains(epoch)) {
    world_.Violate("S2: " + name_ + " makes attempt " + std::to_string(epoch.value) + " twice");
    return;
  }
  hooks_.making(effect.prepare);
  CheckSlots(effect.prepare);
  const auto gang = std::make_shared<Gang>(world_, effect.prepare, WatchOf(epoch));
  gangs_[epoch] = gang;
  if (world_.Fault(world_.rates.make_fails) || (broken_ && world_.bad)) {
    InputLater(agent::MakeFailed{epoch, "no space left on device"}, kMillisecond);
    return;
  }
  world_.scheduler.After(world_.About(20 * kMillisecond), [this, gang, epoch, life = life_] {
    if (life != life_ || !gang->ShimLives()) return;
    gang->MakeFolder();
    gang->phase = wire::AttemptPhase::kPrepared;
    Input(agent::ShimReady{epoch, name_, 4000});
  });
}

void Node::Do(const agent::StartRanks& effect) {
  const auto found = gangs_.find(effect.go.epoch);
  if (found == gangs_.end()) return;
  const auto gang = found->second;
  if (gang->phase != wire::AttemptPhase::kPrepared)
    world_.Violate("S4: ranks of attempt " + std::to_string(effect.go.epoch.value) +
                   " start without having been prepared");
  if (!PartsFit(gang->prepare, effect.go))
    world_.Violate("S4: mpirun is to start other ranks of attempt " +
                   std::to_string(effect.go.epoch.value) + " than were prepared");
  hooks_.starting(gang->prepare);
  CheckSlots(gang->prepare);
  gang->phase = wire::AttemptPhase::kRunning;
  world_.scheduler.After(world_.About(10 * kMillisecond), [gang] { gang->Start(gang); });
  InputLater(agent::ShimStarted{effect.go.epoch}, 20 * kMillisecond);
  if (world_.sabotage == Sabotage::kStartTwice) {
    world_.scheduler.After(kMillisecond, [this, gang, effect] {
      gang->phase = wire::AttemptPhase::kPrepared;
      Do(effect);
    });
  }
}

void Node::Do(const agent::SignalRanks& effect) {
  const auto found = gangs_.find(effect.epoch);
  if (found != gangs_.end() && effect.signal == SIGTERM) found->second->Terminate(found->second);
}

void Node::Do(const agent::NoteEnd& effect) {
  const auto found = gangs_.find(effect.epoch);
  if (found == gangs_.end()) return;
  found->second->end_cause = effect.cause;
  found->second->end_message = effect.message;
}

void Node::Do(const agent::KillAttempt& effect) {
  world_.scheduler.After(world_.About(5 * kMillisecond),
                         [this, epoch = effect.epoch, life = life_] {
                           if (life == life_) WhenAwake([this, epoch] { Sweep(epoch); });
                         });
}

void Node::Sweep(AttemptEpoch epoch) {
  const auto found = gangs_.find(epoch);
  if (found == gangs_.end()) {
    InputLater(agent::SlotEmpty{epoch, 0, {}}, 0);
    return;
  }
  const auto gang = found->second;
  gang->KillNow();
  if (gang->Escaped() && world_.sabotage != Sabotage::kEarlyEmpty) {
    // A child in another session is found by its mark, and not at once.
    world_.scheduler.After(world_.About(3 * kSecond), [this, gang, epoch, life = life_] {
      if (life != life_) return;
      WhenAwake([this, gang, epoch] {
        gang->KillEscaped();
        Sweep(epoch);
      });
    });
    return;
  }
  // After the reports of what KillNow ended.
  InputLater(agent::SlotEmpty{epoch, gang->records_end(), gang->logs}, 20 * kMillisecond);
}

void Node::Do(const agent::ReadRecords& effect) {
  reads_[effect.epoch] = effect;
  world_.scheduler.After(world_.About(kMillisecond),
                         [this, epoch = effect.epoch] { ServeReads(epoch); });
}

void Node::Do(const agent::ReadLog& effect) {
  log_reads_[{effect.epoch, std::to_string(effect.rank) + "." + effect.stream}] = effect;
  world_.scheduler.After(world_.About(kMillisecond),
                         [this, epoch = effect.epoch] { ServeReads(epoch); });
}

void Node::ServeReads(AttemptEpoch epoch) {
  const auto found = gangs_.find(epoch);
  if (found == gangs_.end() || agent_ == nullptr) return;
  const Gang& gang = *found->second;
  if (const auto read = reads_.find(epoch); read != reads_.end()) {
    agent::RecordsRead answer{epoch, read->second.begin, read->second.begin, {}};
    for (const SpoolLine& line : gang.records) {
      if (line.end <= answer.begin) continue;
      if (!answer.records.empty() && line.end - answer.begin > read->second.max_bytes) break;
      answer.records.push_back(line.record);
      answer.end = line.end;
      // Spools are served in small pieces so that pieces get lost and overtaken.
      if (world_.random.Chance(0.3)) break;
    }
    if (!answer.records.empty()) {
      reads_.erase(read);
      InputLater(std::move(answer), world_.About(kMillisecond));
    }
  }
  for (auto read = log_reads_.lower_bound({epoch, ""});
       read != log_reads_.end() && read->first.first == epoch;) {
    const auto log = gang.logs.find(read->first.second);
    const std::int64_t begin = read->second.begin;
    if (log == gang.logs.end() || log->second <= begin) {
      ++read;
      continue;
    }
    InputLater(agent::LogRead{epoch, read->second.rank, read->second.stream, begin, log->second,
                              Base64OfZeros(log->second - begin)},
               world_.About(kMillisecond));
    read = log_reads_.erase(read);
  }
}

void Node::Do(const agent::ForgetAttempt& effect) {
  const auto found = gangs_.find(effect.epoch);
  if (found == gangs_.end()) return;
  if (found->second->AnyProcess())
    world_.Violate("S3: attempt " + std::to_string(effect.epoch.value) +
                   " is forgotten while its processes live");
  hooks_.forgetting(*found->second);
  gangs_.erase(found);
}

void Node::Do(const agent::Quit& /*effect*/) {
  if (!gangs_.empty()) world_.Violate("S3: the agent of " + name_ + " ends with attempts left");
  StopAgent();
  if (lent_) EndLent(0);
}

/// What each shim does by itself when no agent has renewed the lease.
void Node::Do(const agent::RenewLease& effect) {
  lease_until_ = effect.until;
  const auto left =
      std::chrono::duration_cast<std::chrono::microseconds>(effect.until - LocalTime());
  const auto delay = static_cast<Micros>(static_cast<double>(left.count()) / clock_rate_);
  world_.scheduler.After(std::max<Micros>(0, delay), [this, until = effect.until] {
    if (lease_until_ != until) return;
    for (const auto& [epoch, gang] : gangs_) {
      if (!gang->ShimLives()) continue;
      world_.Trace(
          [&] { return name_ + " shim " + std::to_string(epoch.value) + " kills its ranks"; });
      if (!gang->end_cause) {
        gang->end_cause = wire::ExitCause::kNode;
        gang->end_message = "no agent renewed the lease";
      }
      gang->KillNow();
      gang->KillEscaped();
    }
  });
}

int Node::LivingShims() const {
  return static_cast<int>(
      std::ranges::count_if(gangs_, [](const auto& entry) { return entry.second->ShimLives(); }));
}

}  // namespace muster::sim
