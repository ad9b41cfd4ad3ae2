#include "runtime/sim/coordinator_host.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "runtime/agent/describe.h"
#include "runtime/base/check.h"
#include "runtime/coordinator/allocation_jobs.h"

namespace muster::sim {
namespace {

constexpr Micros kCommit = 2 * kMillisecond;

std::string DescribeInput(const coordinator::Input& input) {
  if (const auto* from = std::get_if<coordinator::FromNode>(&input))
    return from->node.value + " said " + agent::Describe(from->message);
  constexpr const char* kNames[] = {
      "submit",         "change sweep", "stop trial",     "retry trial",     "from node",
      "node lost",      "tick",         "metrics stored", "log stored",      "tracked metrics",
      "outbox done",    "set quota",    "change node",    "log matched",     "enqueue",
      "widen",          "set pool",     "change pool",    "allocation told", "node not understood",
      "allocation used"};
  static_assert(std::size(kNames) == std::variant_size_v<coordinator::Input>);
  return kNames[input.index()];
}

}  // namespace

CoordinatorHost::CoordinatorHost(World& world, Stores& stores, Hooks hooks)
    : world_(world), stores_(stores), hooks_(std::move(hooks)) {}

MonotonicTime CoordinatorHost::LocalTime() const {
  return MonotonicTime{} + std::chrono::microseconds(world_.scheduler.now() - booted_ + kSecond);
}

UnixMillis CoordinatorHost::UnixTime() const {
  return kEpochStart + (world_.scheduler.now() + wall_offset_) / kMillisecond;
}

void CoordinatorHost::Later(Micros delay, std::function<void()> action) {
  world_.scheduler.After(delay, [this, life = life_, action = std::move(action)] {
    if (life != life_) return;
    if (Paused())
      Later(paused_until_ - world_.scheduler.now(), action);
    else
      action();
  });
}

void CoordinatorHost::Boot() {
  ++life_;
  booted_ = world_.scheduler.now();
  auto config = coordinator::Config::Default();
  config.random_hex = [this](std::size_t bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t digit = 0; digit < 2 * bytes; ++digit)
      text += kDigits[world_.random.Below(16)];
    return text;
  };
  config.mutation = world_.coordinator_bug;
  if (journal_ == nullptr) journal_ = SimJournal::Make(world_);
  const auto events = journal_->Load();
  if (!events.ok()) {
    world_.Trace([&] { return "coordinator cannot start: " + events.error().message; });
    Later(world_.About(world_.rates.coordinator_down), [this] { Boot(); });
    return;
  }
  coordinator_ = std::make_unique<coordinator::Coordinator>(std::move(config));
  for (const auto& event : *events) coordinator_->Apply(event);
  Tell({events->begin() + static_cast<std::ptrdiff_t>(std::min(told_, events->size())),
        events->end()});
  std::vector<Answered> answers;
  answers.push_back({coordinator_->Start(LocalTime(), UnixTime()), {}});
  world_.Trace([&] {
    return "coordinator starts as " + std::to_string(coordinator_->state().coordinator.value);
  });
  Commit(std::move(answers));
  for (const AttemptEpoch epoch : coordinator_->state().live) {
    const auto* trial =
        coordinator_->state().FindTrial(coordinator_->state().FindAttempt(epoch)->trial);
    if (auto points = stores_.PointsOf(trial->run); !points.empty())
      Take(coordinator::TrackedMetrics{trial->run, std::move(points)});
  }
  TickForEver(life_);
}

/// These have become durable: now, or behind the back of a process that died.
void CoordinatorHost::Tell(const std::vector<coordinator::Event>& events) {
  told_ += events.size();
  if (!events.empty()) hooks_.committed(events);
}

void CoordinatorHost::Crash() {
  world_.Trace([] { return std::string("coordinator crashes"); });
  journal_->Die(busy_ ? writing_ : std::vector<coordinator::Event>(),
                world_.Fault(world_.rates.power_loss));
  coordinator_.reset();
  ++life_;
  busy_ = false;
  crash_armed_ = false;
  paused_until_ = 0;
  queue_.clear();
  writing_.clear();
  hooks_.crashed();
  Later(world_.About(world_.rates.coordinator_down), [this] { Boot(); });
}

void CoordinatorHost::Pause(Micros how_long) {
  world_.Trace([] { return std::string("coordinator is stopped for a while"); });
  paused_until_ = std::max(paused_until_, world_.scheduler.now() + how_long);
  Later(0, [this] {
    if (!busy_ && !queue_.empty()) Turn();
  });
}

void CoordinatorHost::TickForEver(std::int64_t life) {
  world_.scheduler.After(world_.Between(50, 200) * kMillisecond, [this, life] {
    if (life != life_) return;
    if (!Paused()) Take(coordinator::Tick{});
    TickForEver(life);
  });
}

void CoordinatorHost::Take(coordinator::Input input, Reply reply) {
  if (coordinator_ == nullptr || !world_.violation.empty()) return;
  if (world_.sabotage == Sabotage::kNoFence) Unfence(input);
  queue_.push_back({std::move(input), std::move(reply)});
  if (!busy_ && !Paused()) Turn();
}

World::Logged CoordinatorHost::Log(const wire::Prepare& prepare, std::int64_t step,
                                   const std::map<std::string, double>& metrics) {
  if (coordinator_ == nullptr || Paused() || world_.Fault(world_.rates.loss))
    return World::Logged::kNoServer;
  const auto token = prepare.env.find("MLFLOW_TRACKING_TOKEN");
  const auto owner = coordinator_->AttemptOf(token == prepare.env.end() ? "" : token->second);
  if (!owner || owner->run != prepare.run)
    world_.Violate("S5: the token of attempt " + std::to_string(prepare.epoch.value) +
                   " is not known for its run");
  const bool live = owner && (owner->live || world_.sabotage == Sabotage::kNoTokenFence);
  if (!live) {
    world_.Trace(
        [&] { return "the tracker refuses attempt " + std::to_string(prepare.epoch.value); });
    return World::Logged::kFenced;
  }
  hooks_.logging(owner->epoch);
  coordinator::TrackedMetrics tracked{prepare.run, {}};
  for (const auto& [key, value] : metrics) {
    tracked.metrics.push_back({key, value, UnixTime(), step, owner->epoch.value});
    stores_.Store(prepare.run, tracked.metrics.back());
  }
  Take(std::move(tracked));
  return World::Logged::kStored;
}

void CoordinatorHost::Unfence(coordinator::Input& input) const {
  auto* from = std::get_if<coordinator::FromNode>(&input);
  auto* records = from == nullptr ? nullptr : std::get_if<wire::Records>(&from->message);
  auto* exited = from == nullptr ? nullptr : std::get_if<wire::Exited>(&from->message);
  if (records == nullptr && exited == nullptr) return;
  AttemptEpoch& epoch = records != nullptr ? records->epoch : exited->epoch;
  const auto& state = coordinator_->state();
  const auto* old = state.FindAttempt(epoch);
  const auto* trial = old == nullptr ? nullptr : state.FindTrial(old->trial);
  if (trial == nullptr || trial->live.value == 0 || trial->live == epoch) return;
  epoch = trial->live;
  const auto* live = state.FindAttempt(epoch);
  const auto& member = live->members.front();
  from->node = member.place.node;
  if (records != nullptr) {
    records->end += member.records_end - records->begin;
    records->begin = member.records_end;
  } else {
    exited->records_end = 0;
  }
}

void CoordinatorHost::Turn() {
  std::vector<Answered> answers;
  while (!queue_.empty()) {
    const Request request = std::move(queue_.front());
    queue_.pop_front();
    if (!std::holds_alternative<coordinator::Tick>(request.input))
      world_.Trace([&] { return "coordinator < " + DescribeInput(request.input); });
    if (const auto* from = std::get_if<coordinator::FromNode>(&request.input))
      hooks_.hearing(from->node);
    answers.push_back({coordinator_->Step(request.input, LocalTime(), UnixTime()), request.reply});
  }
  answers.push_back({coordinator_->Settle(LocalTime(), UnixTime()), {}});
  Commit(std::move(answers));
}

void CoordinatorHost::Commit(std::vector<Answered> answers) {
  busy_ = true;
  writing_.clear();
  for (const Answered& answer : answers)
    writing_.insert(writing_.end(), answer.effects.events.begin(), answer.effects.events.end());
  for (const auto& event : writing_)
    world_.Trace([&] { return "coordinator   " + coordinator::EncodeEvent(event.body); });
  const Micros takes = writing_.empty() ? 0 : world_.About(kCommit);
  if (crash_armed_ && !writing_.empty() && world_.random.Chance(0.5))
    Later(world_.Between(0, takes), [this] { Crash(); });
  if (world_.sabotage == Sabotage::kLyingDisk) {
    for (const Answered& answer : answers) Release(answer.effects);
  }
  Later(takes, [this, answers = std::move(answers)] {
    if (const Status status = journal_->Append(writing_); !status.ok()) {
      // As the daemon does: it is ahead of its disk, so it must not go on.
      world_.Trace([&] { return "coordinator stops: " + status.error().message; });
      writing_.clear();
      Crash();
      return;
    }
    Tell(writing_);
    writing_.clear();
    const std::int64_t life = life_;
    for (const Answered& answer : answers) {
      if (crash_armed_ && world_.random.Chance(0.5)) Crash();  // some were told, some were not
      if (life != life_) return;
      if (world_.sabotage != Sabotage::kLyingDisk) Release(answer.effects);
      if (answer.reply) {
        Later(world_.About(world_.rates.delay),
              [reply = answer.reply, result = answer.effects.reply] { reply(result); });
      }
    }
    busy_ = false;
    if (!queue_.empty()) Turn();
  });
}

void CoordinatorHost::Release(const coordinator::Effects& effects) {
  for (const coordinator::Send& send : effects.sends) {
    world_.Trace(
        [&] { return "coordinator   > " + send.node.value + " " + agent::Describe(send.message); });
    wire::Message message = send.message;
    if (auto* welcome = std::get_if<wire::Welcome>(&message);
        welcome != nullptr && world_.sabotage == Sabotage::kNoFence) {
      welcome->keep.insert(welcome->keep.end(), welcome->kill.begin(), welcome->kill.end());
      welcome->kill.clear();
    }
    hooks_.send(send.node,
                {.coordinator = coordinator_->state().coordinator, .message = std::move(message)});
  }
  for (const coordinator::Action& action : effects.actions) {
    hooks_.acting(action);
    Later(world_.About(2 * kMillisecond), [this, action] { Act(action); });
  }
}

/// A line of the chunk matches a rule of the sweep, if it has any.
void CoordinatorHost::LookFor(const coordinator::StoreLog& log) {
  const auto& state = coordinator_->state();
  const auto& rules = state.FindSweep(state.FindTrial(log.trial)->sweep)->spec.on_log;
  if (rules.empty() || !world_.Fault(world_.rates.log_match)) return;
  const auto rule = world_.random.Below(rules.size());
  Take(coordinator::LogMatched{log.node, log.epoch, log.log, static_cast<int>(rule),
                               rules[rule].match});
}

/// As the server does: whole folders, what is gone already included.
void CoordinatorHost::Delete(const coordinator::Command& command) {
  const auto* drop = std::get_if<coordinator::DropCheckpoints>(&command);
  if (drop == nullptr) return;
  for (const std::string& folder : drop->folders) {
    const std::string path = coordinator_->config().checkpoint_root + "/" + folder;
    std::erase_if(world_.checkpoints, [&](const auto& entry) {
      return entry.first == path || entry.first.starts_with(path + "/");
    });
  }
}

/// Of a batch system, until it takes the command or refuses it for good.
void CoordinatorHost::Ask(const coordinator::RunCommand& command) {
  const auto done = hooks_.batch(command.command);
  if (!done.ok() && !coordinator::RefusedForGood(done.error().kind)) {
    Later(kSecond + world_.About(2 * kSecond), [this, command] { Ask(command); });
    return;
  }
  coordinator::OutboxDone answer{command.id, done.ok() ? "" : done.error().message, {}};
  if (done.ok()) answer.result = *done;
  Later(world_.About(200 * kMillisecond), [this, answer] { Take(answer); });
}

void CoordinatorHost::Act(const coordinator::Action& action) {
  // Each takes effect, and then its answer comes: a crash between the two makes it happen again.
  coordinator::Input answer;
  if (const auto* metrics = std::get_if<coordinator::StoreMetrics>(&action)) {
    Status status;
    if (world_.Fault(world_.rates.loss))
      status = Unavailable("the tracker is busy");
    else if (world_.sabotage != Sabotage::kForgetfulStore || world_.random.Chance(0.8))
      stores_.Store(*metrics);
    answer = coordinator::StoreMetricsDone{metrics->token, status};
  } else if (const auto* log = std::get_if<coordinator::StoreLog>(&action)) {
    LookFor(*log);
    answer = coordinator::LogStored{log->node, log->epoch, log->log, stores_.Store(*log)};
  } else if (const auto* command = std::get_if<coordinator::RunCommand>(&action)) {
    if (world_.Fault(world_.rates.loss)) {  // not now: the host keeps trying
      Later(world_.About(kSecond), [this, action] { Act(action); });
      return;
    }
    if (std::holds_alternative<coordinator::SubmitAllocations>(command->command) ||
        std::holds_alternative<coordinator::CancelAllocation>(command->command)) {
      return Ask(*command);
    }
    Delete(command->command);
    answer = coordinator::OutboxDone{command->id, "", stores_.Apply(command->id, command->command)};
  }
  Later(world_.About(kMillisecond), [this, answer = std::move(answer)] { Take(answer); });
}

}  // namespace muster::sim
