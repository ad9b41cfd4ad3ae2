#include "runtime/server/coordinator_host.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/server/coordinator_inbox.h"
#include "runtime/server/event_writer.h"
#include "runtime/server/log_keeper.h"

namespace muster::server {
namespace {

using namespace coordinator;  // inputs and effects by name

constexpr std::chrono::milliseconds kTickEvery(100);
/// Bounds how long one commit, and so one acknowledgement, can take.
constexpr std::size_t kMostInATurn = 4'096;
/// One is on its way to the disk, and one waits for it.
constexpr std::size_t kMostTurns = 2;
constexpr std::chrono::milliseconds kFirstRetry(500), kLongestRetry(30'000);
/// Of one promotion, by this process. The tracker's commands are tried for ever: they only write down.
constexpr int kMostPromotionTries = 10;

bool IsForEver(ErrorKind kind) {
  return kind == ErrorKind::kInvalid || kind == ErrorKind::kNotFound ||
         kind == ErrorKind::kConflict || kind == ErrorKind::kUnsupported ||
         kind == ErrorKind::kAlreadyExists;
}

/// Is the command over with this error of its try number `tries`?
bool IsOver(const Command& command, ErrorKind kind, int tries) {
  if (IsForEver(kind)) return true;
  if (!std::holds_alternative<PromoteModel>(command)) return false;
  return kind == ErrorKind::kInternal || kind == ErrorKind::kCorrupt ||
         tries >= kMostPromotionTries;
}

}  // namespace

struct CoordinatorHost::Impl {
  Impl(Config config, std::unique_ptr<Journal> owned, std::filesystem::path log_root, Ports given)
      : coordinator(std::move(config)),
        journal(std::move(owned)),
        logs(std::move(log_root), given.on_log),
        ports(std::move(given)) {}

  /// Steps that are committed together, and what comes of them once they are.
  struct Turn {
    std::vector<Effects> effects;
    std::vector<Event> events;  ///< of all effects
    std::vector<Reply> replies;
    std::vector<std::pair<std::promise<Result<boost::json::value>>, Result<boost::json::value>>>
        answers;
  };

  // --- the thread ---
  void Loop();
  bool Start();
  bool TakeAndStep();
  void StepTurn(std::vector<CoordinatorInbox::Item> items,
                std::deque<CoordinatorInbox::Asked> questions);
  void Commit(Turn turn);
  bool FinishAll();
  bool FinishTurns(const std::deque<Status>& committed);
  void FinishTurn(Turn& turn);
  void Fail(const Error& error);
  void Carry(Action action);
  void Run(const RunCommand& command, int tries);
  void RunDelayed();
  void NoteForOperators(const Event& event);
  void NoteToken(const Event& event);

  static MonotonicTime Now() { return SystemClock().Now(); }
  static UnixMillis UnixNow() { return SystemClock().UnixNow(); }

  // The thread's own.
  Coordinator coordinator;
  std::unique_ptr<Journal> journal;  // the writer's, once there is one
  LogKeeper logs;
  Ports ports;
  MonotonicTime next_tick{};
  std::deque<Turn> turns;  ///< not committed yet

  struct Delayed {
    MonotonicTime due;
    RunCommand command;
    int tries = 0;  ///< so far
  };
  std::shared_ptr<CoordinatorInbox> inbox = std::make_shared<CoordinatorInbox>();
  /// Commands that failed for now; ports' threads add to it.
  struct Retries {
    std::mutex mutex;  // guards delayed
    std::vector<Delayed> delayed;
  };
  std::shared_ptr<Retries> retries = std::make_shared<Retries>();

  mutable std::mutex tokens_mutex;  // guards tokens and live_runs
  std::unordered_map<std::string, TokenOwner> tokens;
  std::unordered_map<RunId, AttemptEpoch> live_runs;
  std::atomic<bool> stopping = false;
  std::optional<EventWriter> writer;
  std::thread thread;
};

void CoordinatorHost::Impl::Loop() {
  writer.emplace(*journal, [box = inbox](Status status) { box->NoteCommit(std::move(status)); });
  if (Start()) {
    while (TakeAndStep()) {
    }
  }
  writer.reset();
}

/// What the tracker acknowledged while the last process died is not in the journal.
bool CoordinatorHost::Impl::Start() {
  Turn first;
  first.effects.push_back(coordinator.Start(Now(), UnixNow()));
  Commit(std::move(first));
  if (!FinishAll()) return false;
  if (!ports.read_metric) return true;
  Turn turn;
  const std::set<AttemptEpoch> live = coordinator.state().live;
  for (const AttemptEpoch epoch : live) {
    const State& state = coordinator.state();
    const Trial& trial = *state.FindTrial(state.FindAttempt(epoch)->trial);
    const auto& objective = state.FindSweep(trial.sweep)->spec.objective.metric;
    auto metrics = ports.read_metric(trial.run, objective);
    if (!metrics.ok()) {
      LogWarning("coordinator", trial.id.value + ": " + metrics.error().message);
      continue;
    }
    const TrackedMetrics tracked{trial.run, std::move(metrics).value()};
    turn.effects.push_back(coordinator.Step(tracked, Now(), UnixNow()));
  }
  turn.effects.push_back(coordinator.Settle(Now(), UnixNow()));
  Commit(std::move(turn));
  return FinishAll();
}

bool CoordinatorHost::Impl::TakeAndStep() {
  std::vector<CoordinatorInbox::Item> items;
  std::deque<CoordinatorInbox::Asked> questions;
  std::deque<Status> committed;
  const bool room = turns.size() < kMostTurns;
  {
    std::unique_lock lock(inbox->mutex);
    const auto due = [&] {
      if (!inbox->committed.empty()) return true;
      return room && (stopping || !inbox->items.empty() || !inbox->questions.empty());
    };
    room ? void(inbox->wake.wait_until(lock, next_tick, due)) : inbox->wake.wait(lock, due);
    committed.swap(inbox->committed);
    // After a commit that failed, nothing may have been taken.
    while (committed.empty() && !inbox->items.empty() && items.size() < kMostInATurn) {
      items.push_back(std::move(inbox->items.front()));
      inbox->items.pop_front();
    }
    if (committed.empty()) questions.swap(inbox->questions);
  }
  if (!committed.empty()) return FinishTurns(committed);
  const bool last = stopping;
  StepTurn(std::move(items), std::move(questions));
  if (!last) return true;
  if (FinishAll()) inbox->Close(Stopped());
  return false;
}

void CoordinatorHost::Impl::StepTurn(std::vector<CoordinatorInbox::Item> items,
                                     std::deque<CoordinatorInbox::Asked> questions) {
  const MonotonicTime now = Now();
  if (now >= next_tick) {
    next_tick = now + kTickEvery;
    items.push_back({Tick{}, {}});
    RunDelayed();
  }
  if (items.empty() && questions.empty()) return;
  Turn turn;
  turn.effects.reserve(items.size() + 1);
  turn.replies.reserve(items.size());
  for (CoordinatorInbox::Item& item : items) {
    for (const LogMatched& matched : logs.LookAtEnds(coordinator.state(), item.input)) {
      turn.effects.push_back(coordinator.Step(matched, now, UnixNow()));
      turn.replies.emplace_back();
    }
    turn.effects.push_back(coordinator.Step(item.input, now, UnixNow()));
    turn.replies.push_back(std::move(item.reply));
  }
  turn.effects.push_back(coordinator.Settle(now, UnixNow()));
  for (CoordinatorInbox::Asked& asked : questions) {
    turn.answers.emplace_back(std::move(asked.answer), asked.question(coordinator, now, UnixNow()));
  }
  Commit(std::move(turn));
}

/// Nobody is told before it is durable: messages, actions, replies, and answers that saw it.
void CoordinatorHost::Impl::Commit(Turn turn) {
  for (Effects& effects : turn.effects) {
    std::ranges::move(effects.events, std::back_inserter(turn.events));
  }
  if (turns.empty() && turn.events.empty()) return FinishTurn(turn);
  turns.push_back(std::move(turn));
  writer->Append(turns.back().events);
}

/// Waits for all commits; false when one failed.
bool CoordinatorHost::Impl::FinishAll() {
  while (!turns.empty()) {
    std::deque<Status> committed;
    {
      std::unique_lock lock(inbox->mutex);
      inbox->wake.wait(lock, [this] { return !inbox->committed.empty(); });
      committed.swap(inbox->committed);
    }
    if (!FinishTurns(committed)) return false;
  }
  return true;
}

bool CoordinatorHost::Impl::FinishTurns(const std::deque<Status>& committed) {
  for (const Status& status : committed) {
    if (!status.ok()) {
      Fail(status.error());
      return false;
    }
    FinishTurn(turns.front());
    turns.pop_front();
  }
  return true;
}

void CoordinatorHost::Impl::FinishTurn(Turn& turn) {
  for (const Event& event : turn.events) {
    NoteToken(event);
    NoteForOperators(event);
    logs.Forget(coordinator.state(), event);
  }
  for (std::size_t i = 0; i < turn.effects.size(); ++i) {
    Effects& effects = turn.effects[i];
    for (Send& send : effects.sends) {
      wire::Envelope envelope;
      envelope.coordinator = coordinator.state().coordinator;
      envelope.message = std::move(send.message);
      ports.send(send.node, envelope);
    }
    for (Action& action : effects.actions) Carry(std::move(action));
    if (i < turn.replies.size() && turn.replies[i]) turn.replies[i](std::move(effects.reply));
  }
  for (auto& [answer, result] : turn.answers) answer.set_value(std::move(result));
}

/// The state is ahead of the disk and must not be seen any more.
void CoordinatorHost::Impl::Fail(const Error& error) {
  const Error why = error.With("the coordinator stops, nothing acknowledged is lost");
  LogError("coordinator", why.message);
  for (Turn& turn : turns) {
    for (const Reply& reply : turn.replies) {
      if (reply) reply(why);
    }
    for (auto& [answer, result] : turn.answers) answer.set_value(Stopped());
  }
  inbox->Close(why);
  if (ports.on_fatal) ports.on_fatal(why);
}

void CoordinatorHost::Impl::Carry(Action action) {
  if (auto* store = std::get_if<StoreMetrics>(&action)) {
    const std::int64_t token = store->token;
    ports.store_metrics(std::move(*store), [box = inbox, token](Status status) {
      box->Post(StoreMetricsDone{token, std::move(status)}, {}, true);
    });
  } else if (auto* command = std::get_if<RunCommand>(&action)) {
    Run(*command, 1);
  } else {
    for (Input& input : logs.Store(coordinator.state(), std::get<StoreLog>(action))) {
      inbox->Post(std::move(input), {}, true);
    }
  }
}

/// Its try number `tries`.
void CoordinatorHost::Impl::Run(const RunCommand& command, int tries) {
  ports.run_command(
      command, [box = inbox, later = retries, command, tries](Result<boost::json::object> result) {
        if (result.ok()) {
          box->Post(OutboxDone{command.id, {}, std::move(result).value()}, {}, true);
        } else if (IsOver(command.command, result.error().kind, tries)) {
          box->Post(OutboxDone{command.id, result.error().message, {}}, {}, true);
        } else {
          LogWarning("coordinator", "will be tried again: " + result.error().message);
          const std::lock_guard lock(later->mutex);
          const auto delay = kFirstRetry * (1 << std::min(tries - 1, 10));
          later->delayed.push_back({Now() + std::min(delay, kLongestRetry), command, tries});
        }
      });
}

void CoordinatorHost::Impl::RunDelayed() {
  std::vector<Delayed> due;
  {
    const std::lock_guard lock(retries->mutex);
    auto& delayed = retries->delayed;
    const auto rest = std::ranges::partition(
        delayed, [now = Now()](const Delayed& entry) { return entry.due > now; });
    std::ranges::move(rest, std::back_inserter(due));
    delayed.erase(rest.begin(), rest.end());
  }
  for (const Delayed& entry : due) {
    Run(entry.command, entry.tries + 1);
  }
}

/// What people should read in the server's own log.
void CoordinatorHost::Impl::NoteForOperators(const Event& event) {
  if (const auto* node = std::get_if<NodeChanged>(&event.body); node && node->automatic) {
    LogWarning("coordinator", "node " + node->node.value + " is excluded: " + node->reason +
                                  "; undo it with: muster node uncordon " + node->node.value);
  } else if (const auto* rule = std::get_if<LogRuleFired>(&event.body);
             rule && rule->excludes_node) {
    LogWarning("coordinator", "node " + rule->node.value + " is excluded for the sweep of " +
                                  coordinator.state().FindAttempt(rule->epoch)->trial.value +
                                  " by its on_log: " + rule->line);
  }
}

void CoordinatorHost::Impl::NoteToken(const Event& event) {
  const State& state = coordinator.state();
  if (const auto* started = std::get_if<AttemptStarted>(&event.body)) {
    const RunId& run = state.FindTrial(started->trial)->run;
    const std::lock_guard lock(tokens_mutex);
    tokens[started->token] = {started->epoch, run, true};
    live_runs[run] = started->epoch;
  } else if (const auto* ended = std::get_if<AttemptEnded>(&event.body)) {
    const Attempt& attempt = *state.FindAttempt(ended->epoch);
    const std::lock_guard lock(tokens_mutex);
    tokens[attempt.token].live = false;
    live_runs.erase(state.FindTrial(attempt.trial)->run);
  }
}

CoordinatorHost::CoordinatorHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<CoordinatorHost>> CoordinatorHost::Start(Config config,
                                                                std::unique_ptr<Journal> journal,
                                                                std::filesystem::path log_root,
                                                                Ports ports) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(journal), std::move(log_root),
                                     std::move(ports));
  MUSTER_RETURN_IF_ERROR(impl->journal->Replay([&](const Event& event) {
    impl->coordinator.Apply(event);
    impl->NoteToken(event);
  }));
  Impl& started = *impl;
  started.thread = std::thread([&started] { started.Loop(); });
  return std::unique_ptr<CoordinatorHost>(new CoordinatorHost(std::move(impl)));
}

CoordinatorHost::~CoordinatorHost() {
  {
    const std::lock_guard lock(impl_->inbox->mutex);
    impl_->stopping = true;
  }
  impl_->inbox->wake.notify_all();
  impl_->thread.join();
}

void CoordinatorHost::Submit(Input input, Reply reply) {
  impl_->inbox->Post(std::move(input), std::move(reply), false);
}

Result<boost::json::object> CoordinatorHost::SubmitAndWait(Input input) {
  // Shared: whoever sets the value may still be at it when the waiter has it.
  const auto answer = std::make_shared<std::promise<Result<boost::json::object>>>();
  Submit(std::move(input),
         [answer](Result<boost::json::object> reply) { answer->set_value(std::move(reply)); });
  return answer->get_future().get();
}

void CoordinatorHost::OnMetrics(TrackedMetrics metrics) {
  impl_->inbox->Post(std::move(metrics), {}, true);
}

void CoordinatorHost::OnMessage(const NodeId& node, wire::Envelope envelope) {
  // A thousand idle nodes are answered ten times a second together, not a thousand times one by one.
  const bool hurry = !std::holds_alternative<wire::Heartbeat>(envelope.message);
  impl_->inbox->Post(FromNode{node, std::move(envelope.message)}, {}, false, hurry);
}

Result<boost::json::value> CoordinatorHost::Ask(CoordinatorInbox::Question question) {
  return impl_->inbox->Ask(std::move(question)).get();
}

std::optional<TokenOwner> CoordinatorHost::AttemptOf(const std::string& token) const {
  const std::lock_guard lock(impl_->tokens_mutex);
  const auto found = impl_->tokens.find(token);
  if (found == impl_->tokens.end()) return std::nullopt;
  return found->second;
}

AttemptEpoch CoordinatorHost::LiveAttemptOf(const RunId& run) const {
  const std::lock_guard lock(impl_->tokens_mutex);
  const auto found = impl_->live_runs.find(run);
  return found == impl_->live_runs.end() ? AttemptEpoch() : found->second;
}

std::filesystem::path CoordinatorHost::LogFile(const TrialId& trial, AttemptEpoch epoch,
                                               const std::string& log) const {
  return impl_->logs.PathOf(trial, epoch, log);
}

}  // namespace muster::server
