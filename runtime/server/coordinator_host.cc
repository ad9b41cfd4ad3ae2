#include "runtime/server/coordinator_host.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "runtime/base/base64.h"
#include "runtime/base/log.h"
#include "runtime/server/log_files.h"
#include "runtime/server/log_scanner.h"

namespace muster::server {
namespace {

using namespace coordinator;  // inputs and effects by name

constexpr std::chrono::milliseconds kTickEvery(100);
/// Inputs that wait; beyond it people are refused and nodes' messages are lost, as on any network. Answers
/// to the coordinator and metrics that the tracker acknowledged wait all the same.
constexpr std::size_t kMostWaiting = 100'000;
/// Bounds how long one commit, and so one acknowledgement, can take.
constexpr std::size_t kMostInATurn = 4'096;
constexpr std::chrono::milliseconds kFirstRetry(500), kLongestRetry(30'000);
/// Of one promotion, by this process. The tracker's commands are tried for ever: they only write down.
constexpr int kMostPromotionTries = 10;

using Question =
    std::function<Result<boost::json::value>(const Coordinator&, MonotonicTime, UnixMillis)>;

Error Stopped() { return Unavailable("the coordinator has stopped"); }

struct Item {
  Input input;
  CoordinatorHost::Reply reply;
};
struct Asked {
  Question question;
  std::promise<Result<boost::json::value>> answer;
};

/// Shared with the callbacks that ports keep, which may outlive the host.
struct Inbox {
  std::mutex mutex;  // guards what follows
  std::condition_variable wake;
  std::deque<Item> items;
  std::deque<Asked> questions;
  bool closed = false;

  /// `must`: what was acknowledged, or answers something of ours; no bound may drop it. Without `notify` it
  /// waits for the next tick or whatever comes before.
  void Post(Input input, CoordinatorHost::Reply reply, bool must, bool notify = true) {
    Error refused;
    {
      const std::lock_guard lock(mutex);
      if (!closed && (must || items.size() < kMostWaiting)) {
        items.push_back({std::move(input), std::move(reply)});
        if (notify) wake.notify_one();
        return;
      }
      refused = closed ? Stopped()
                       : ResourceExhausted("the coordinator has " + std::to_string(kMostWaiting) +
                                           " requests waiting; try again");
    }
    if (reply) reply(std::move(refused));
  }
};

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
        logs(std::move(log_root)),
        ports(std::move(given)) {}

  // --- the thread ---
  void Loop() {
    if (!Finish({coordinator.Start(Now(), UnixNow())}, {})) return;
    if (!CatchUp()) return;
    while (TakeAndStep()) {
    }
  }
  bool TakeAndStep();
  bool CatchUp();
  bool Finish(std::vector<Effects> all, std::vector<Reply> replies);
  void Answer(std::deque<Asked>& questions);
  void Carry(Action action);
  void Run(const RunCommand& command, int tries);
  void RunDelayed();
  void StoreChunk(const StoreLog& chunk);
  std::vector<LogMatched> LookAtEnds(const Input& input);
  void NoteForOperators(const std::vector<Event>& events);
  void NoteTokens(const std::vector<Event>& events);
  void Close(const Error& why);

  static MonotonicTime Now() { return SystemClock().Now(); }
  static UnixMillis UnixNow() { return SystemClock().UnixNow(); }

  // The thread's own.
  Coordinator coordinator;
  std::unique_ptr<Journal> journal;
  LogFiles logs;
  LogScanner scanner;
  Ports ports;
  MonotonicTime next_tick{};
  bool log_failed = false;
  bool failed = false;

  struct Delayed {
    MonotonicTime due;
    RunCommand command;
    int tries = 0;  ///< so far
  };
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
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
  std::thread thread;
};

bool CoordinatorHost::Impl::TakeAndStep() {
  std::vector<Item> items;
  std::deque<Asked> questions;
  {
    std::unique_lock lock(inbox->mutex);
    inbox->wake.wait_until(lock, next_tick, [&] {
      return stopping || !inbox->items.empty() || !inbox->questions.empty();
    });
    while (!inbox->items.empty() && items.size() < kMostInATurn) {
      items.push_back(std::move(inbox->items.front()));
      inbox->items.pop_front();
    }
    questions.swap(inbox->questions);
  }
  const MonotonicTime now = Now();
  if (now >= next_tick) {
    next_tick = now + kTickEvery;
    items.push_back({Tick{}, {}});
    RunDelayed();
  }
  std::vector<Effects> all;
  std::vector<Reply> replies;
  all.reserve(items.size());
  replies.reserve(items.size());
  for (Item& item : items) {
    for (const LogMatched& matched : LookAtEnds(item.input)) {
      all.push_back(coordinator.Step(matched, now, UnixNow()));
      replies.emplace_back();
    }
    all.push_back(coordinator.Step(item.input, now, UnixNow()));
    replies.push_back(std::move(item.reply));
  }
  all.push_back(coordinator.Settle(now, UnixNow()));
  const bool last = stopping;
  const bool going = Finish(std::move(all), std::move(replies));
  Answer(questions);
  if (going && last) Close(Stopped());
  return going && !last;
}

/// One commit for all of them, and only then what others may see.
bool CoordinatorHost::Impl::Finish(std::vector<Effects> all, std::vector<Reply> replies) {
  std::vector<Event> events;
  for (Effects& effects : all) {
    std::ranges::move(effects.events, std::back_inserter(events));
  }
  if (const Status status = journal->Append(events); !status.ok()) {
    const Error why = status.error().With("the coordinator stops, nothing acknowledged is lost");
    LogError("coordinator", why.message);
    failed = true;
    for (const Reply& reply : replies) {
      if (reply) reply(why);
    }
    Close(why);
    if (ports.on_fatal) ports.on_fatal(why);
    return false;
  }
  NoteTokens(events);
  NoteForOperators(events);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (Send& send : all[i].sends) {
      wire::Envelope envelope;
      envelope.coordinator = coordinator.state().coordinator;
      envelope.message = std::move(send.message);
      ports.send(send.node, envelope);
    }
    for (Action& action : all[i].actions) Carry(std::move(action));
    if (i < replies.size() && replies[i]) replies[i](std::move(all[i].reply));
  }
  return true;
}

/// What the tracker acknowledged while the last process died is not in the journal.
bool CoordinatorHost::Impl::CatchUp() {
  std::vector<Effects> all;
  if (!ports.read_metric) return true;
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
    all.push_back(coordinator.Step(tracked, Now(), UnixNow()));
  }
  all.push_back(coordinator.Settle(Now(), UnixNow()));
  return Finish(std::move(all), {});
}

void CoordinatorHost::Impl::Answer(std::deque<Asked>& questions) {
  for (Asked& asked : questions) {
    if (failed) {
      asked.answer.set_value(Stopped());  // the state is ahead of the disk
    } else {
      asked.answer.set_value(asked.question(coordinator, Now(), UnixNow()));
    }
  }
}

void CoordinatorHost::Impl::Close(const Error& why) {
  std::deque<Item> items;
  std::deque<Asked> questions;
  {
    const std::lock_guard lock(inbox->mutex);
    inbox->closed = true;
    items.swap(inbox->items);
    questions.swap(inbox->questions);
  }
  for (Item& item : items) {
    if (item.reply) item.reply(why);
  }
  for (Asked& asked : questions) asked.answer.set_value(why);
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
    StoreChunk(std::get<StoreLog>(action));
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

void CoordinatorHost::Impl::StoreChunk(const StoreLog& chunk) {
  const auto bytes = DecodeBase64(chunk.data);
  if (!bytes.ok()) {
    LogWarning("coordinator",
               chunk.trial.value + " log " + chunk.log + ": " + bytes.error().message);
    return;
  }
  const auto file = logs.PathOf(chunk.trial, chunk.epoch, chunk.log);
  const auto end = logs.Append(file, chunk.begin, *bytes);
  if (end.ok()) {
    // Before the acknowledgement: once that is sent, the match is durable.
    const State& state = coordinator.state();
    const Sweep& sweep = *state.FindSweep(state.FindTrial(chunk.trial)->sweep);
    for (auto& match : scanner.Look(sweep, chunk.epoch, chunk.log, file, *end, false)) {
      inbox->Post(LogMatched{chunk.node, chunk.epoch, chunk.log, match.rule, std::move(match.line)},
                  {}, true);
    }
    inbox->Post(LogStored{chunk.node, chunk.epoch, chunk.log, *end}, {}, true);
  } else if (!log_failed) {
    LogWarning("coordinator", end.error().message);  // once; the agent sends it again and again
  }
  log_failed = !end.ok();
}

/// Before an attempt's exit is judged: what its ranks printed last, without an end of the line, and what was
/// stored before this process began.
std::vector<LogMatched> CoordinatorHost::Impl::LookAtEnds(const Input& input) {
  const auto* from = std::get_if<FromNode>(&input);
  const auto* exited = from == nullptr ? nullptr : std::get_if<wire::Exited>(&from->message);
  const State& state = coordinator.state();
  const Attempt* attempt = exited == nullptr ? nullptr : state.FindAttempt(exited->epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(from->node);
  if (member == nullptr) return {};
  const Sweep& sweep = *state.FindSweep(state.FindTrial(attempt->trial)->sweep);
  if (sweep.spec.on_log.empty()) return {};
  // The gang's ranks on other nodes may not be at their lines' ends yet.
  const int first = member->place.first_rank;
  std::vector<LogMatched> all;
  for (int rank = first; rank < first + member->place.ranks; ++rank) {
    for (const char* stream : {".out", ".err"}) {
      const std::string log = std::to_string(rank) + stream;
      const auto file = logs.PathOf(attempt->trial, attempt->epoch, log);
      std::error_code missing;
      const auto size = std::filesystem::file_size(file, missing);
      if (missing) continue;
      for (auto& match :
           scanner.Look(sweep, attempt->epoch, log, file, static_cast<std::int64_t>(size), true)) {
        all.push_back({from->node, attempt->epoch, log, match.rule, std::move(match.line)});
      }
    }
  }
  return all;
}

/// What people should read in the server's own log; and what the scanner need not remember any more.
void CoordinatorHost::Impl::NoteForOperators(const std::vector<Event>& events) {
  const State& state = coordinator.state();
  for (const Event& event : events) {
    if (const auto* node = std::get_if<NodeChanged>(&event.body); node && node->automatic) {
      LogWarning("coordinator", "node " + node->node.value + " is excluded: " + node->reason +
                                    "; undo it with: muster node uncordon " + node->node.value);
    } else if (const auto* rule = std::get_if<LogRuleFired>(&event.body);
               rule && rule->excludes_node) {
      LogWarning("coordinator", "node " + rule->node.value + " is excluded for the sweep of " +
                                    state.FindAttempt(rule->epoch)->trial.value +
                                    " by its on_log: " + rule->line);
    } else if (const auto* ended = std::get_if<AttemptEnded>(&event.body)) {
      scanner.Forget(state.FindTrial(state.FindAttempt(ended->epoch)->trial)->sweep, ended->epoch);
    } else if (const auto* done = std::get_if<SweepEnded>(&event.body)) {
      scanner.Forget(done->sweep);
    }
  }
}

void CoordinatorHost::Impl::NoteTokens(const std::vector<Event>& events) {
  const State& state = coordinator.state();
  const std::lock_guard lock(tokens_mutex);
  for (const Event& event : events) {
    if (const auto* started = std::get_if<AttemptStarted>(&event.body)) {
      const RunId& run = state.FindTrial(started->trial)->run;
      tokens[started->token] = {started->epoch, run, true};
      live_runs[run] = started->epoch;
    } else if (const auto* ended = std::get_if<AttemptEnded>(&event.body)) {
      const Attempt& attempt = *state.FindAttempt(ended->epoch);
      tokens[attempt.token].live = false;
      live_runs.erase(state.FindTrial(attempt.trial)->run);
    }
  }
}

CoordinatorHost::CoordinatorHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<CoordinatorHost>> CoordinatorHost::Start(Config config,
                                                                std::unique_ptr<Journal> journal,
                                                                std::filesystem::path log_root,
                                                                Ports ports) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(journal), std::move(log_root),
                                     std::move(ports));
  MUSTER_ASSIGN_OR_RETURN(const std::vector<Event> events, impl->journal->Load());
  for (const Event& event : events) impl->coordinator.Apply(event);
  impl->NoteTokens(events);
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

Result<boost::json::value> CoordinatorHost::Ask(Question question) {
  std::future<Result<boost::json::value>> answer;
  {
    const std::lock_guard lock(impl_->inbox->mutex);
    if (impl_->inbox->closed) return Stopped();
    Asked& asked = impl_->inbox->questions.emplace_back();
    asked.question = std::move(question);
    answer = asked.answer.get_future();
  }
  impl_->inbox->wake.notify_one();
  return answer.get();
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
