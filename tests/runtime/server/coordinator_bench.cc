#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/base/random.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/server/coordinator_host.h"

/// Figures of the coordinator, one line each; run by scripts/bench/coordinator.
///   coordinator_bench [FOLDER [PART]]   the database is made in FOLDER and removed

namespace {

using namespace muster;
using namespace muster::coordinator;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

wire::SweepSpec Spec(int trials) {
  wire::SweepSpec spec;
  spec.name = "bench";
  spec.trial.command = {"train", "--lr", "{lr}"};
  spec.space = {{"lr", {{"float", {0.001, 0.1}}}}};
  spec.objective.metric = "accuracy";
  spec.budget.trials = trials;
  spec.sampler = "random";
  return spec;
}

/// Costs nothing, so that the state machine is what is measured.
class FreeSampler final : public tuner::Sampler {
 public:
  Result<tuner::Suggestion> Suggest(std::int64_t number,
                                    const tuner::History& /*history*/) override {
    return tuner::Suggestion{{{"lr", static_cast<double>(number)}}, "free"};
  }
  std::string Explain(const tuner::History& /*history*/) override { return "costs nothing"; }
};

/// What a node says whose ranks do their work in no time.
std::vector<wire::Message> NodeAnswers(const wire::Message& message) {
  if (const auto* prepare = std::get_if<wire::Prepare>(&message)) {
    return {wire::Prepared{prepare->epoch, "127.0.0.1", 5000}};
  }
  if (const auto* go = std::get_if<wire::Go>(&message)) {
    wire::TrialRecord record;
    record.step = 1;
    record.metrics["accuracy"] = 0.5;
    return {wire::Started{go->epoch}, wire::Records{go->epoch, 0, 10, {record}}};
  }
  if (const auto* ack = std::get_if<wire::Ack>(&message)) {
    wire::Exited exited;
    exited.epoch = ack->epoch;
    exited.cause = wire::ExitCause::kSuccess;
    exited.records_end = 10;
    return {exited};
  }
  return {};
}

/// Nodes, tracker and log store that answer everything at once.
class World {
 public:
  explicit World(Coordinator& coordinator) : coordinator_(coordinator) {}

  void Join(int nodes, int slots) {
    for (int i = 0; i < nodes; ++i) {
      const NodeId node("node" + std::to_string(i));
      inputs.push_back(FromNode{
          node, wire::Hello{.node = node, .host = "host", .slots = slots, .incarnation = 1}});
    }
  }
  /// Steps what waits, at most `most`.
  void Turn(std::size_t most) {
    std::deque<Input> taken;
    taken.swap(inputs);
    for (; most > 0 && !taken.empty(); --most) {
      Take(coordinator_.Step(taken.front(), MonotonicTime{}, 0));
      taken.pop_front();
      ++steps;
    }
    Take(coordinator_.Settle(MonotonicTime{}, 0));
    inputs.insert(inputs.begin(), std::make_move_iterator(taken.begin()),
                  std::make_move_iterator(taken.end()));
  }

  std::deque<Input> inputs;
  std::int64_t steps = 0, ended = 0;

 private:
  void Take(Effects effects) {
    for (const Send& send : effects.sends) Answer(send);
    for (const Action& action : effects.actions) Answer(action);
  }
  void Answer(const Send& send) {
    if (std::holds_alternative<wire::Forget>(send.message)) ++ended;
    for (wire::Message& message : NodeAnswers(send.message)) {
      inputs.push_back(FromNode{send.node, std::move(message)});
    }
  }
  void Answer(const Action& action) {
    if (const auto* command = std::get_if<RunCommand>(&action)) {
      inputs.push_back(OutboxDone{command->id, {}, {}});
    } else if (const auto* store = std::get_if<StoreMetrics>(&action)) {
      inputs.push_back(StoreMetricsDone{store->token, {}});
    }
  }

  Coordinator& coordinator_;
};

Config BenchConfig() {
  Config config = Config::Default();
  config.random_hex = [n = 0](std::size_t bytes) mutable {
    std::string digits = std::to_string(++n);
    return std::string(2 * bytes - digits.size(), '0') + digits;
  };
  config.make_search = [](const auto& spec) -> Result<tuner::Search> {
    return tuner::Search{std::make_unique<FreeSampler>(), *tuner::MakeScheduler(spec)};
  };
  return config;
}

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Load {
  int nodes = 1, slots = 8;
  int sweeps = 1, trials = 1;  ///< of each sweep
  int ranks = 1;
};

/// Every trial from its suggestion to its exit.
void Trials(const Load& load) {
  const double before = ResidentMiB();
  Coordinator coordinator(BenchConfig());
  World world(coordinator);
  (void)coordinator.Start(MonotonicTime{}, 0);
  world.Join(load.nodes, load.slots);
  wire::SweepSpec spec = Spec(load.trials);
  spec.trial.ranks = load.ranks;
  for (int i = 0; i < load.sweeps; ++i) world.inputs.push_back(SubmitSweep{spec, {}});
  const auto start = std::chrono::steady_clock::now();
  while (!world.inputs.empty()) world.Turn(4'096);
  const double seconds = SecondsSince(start);
  std::printf(
      "state machine, %d nodes, %d sweeps of %d trials, gangs of %d: %.0f gangs/s, %.3f ms each,"
      " %.0f steps/s, %.0f MiB\n",
      load.nodes, load.sweeps, load.trials, load.ranks, static_cast<double>(world.ended) / seconds,
      1000 * seconds / static_cast<double>(world.ended), static_cast<double>(world.steps) / seconds,
      ResidentMiB() - before);
}

void Remove(const std::filesystem::path& file) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

std::unique_ptr<server::CoordinatorHost> StartHost(Config config, const std::filesystem::path& file,
                                                   server::CoordinatorHost::Ports ports) {
  auto journal = journal::SqliteJournal::Open(file);
  return std::move(server::CoordinatorHost::Start(std::move(config), std::move(journal).value(),
                                                  file.parent_path() / "logs", std::move(ports)))
      .value();
}

/// The same trials through the host and a real journal, each step committed before the node hears of it.
void DurableTrials(const std::filesystem::path& file, const Load& load) {
  std::atomic<int> ended = 0;
  std::atomic<server::CoordinatorHost*> playing = nullptr;
  const auto say = [&](const NodeId& node, wire::Message message) {
    wire::Envelope envelope;
    envelope.message = std::move(message);
    playing.load()->OnMessage(node, std::move(envelope));
  };
  server::CoordinatorHost::Ports ports;
  ports.send = [&](const NodeId& node, const wire::Envelope& envelope) {
    for (auto& answer : NodeAnswers(envelope.message)) say(node, std::move(answer));
    if (!std::holds_alternative<wire::Forget>(envelope.message)) return;
    ended.fetch_add(1);
    ended.notify_one();
  };
  ports.store_metrics = [](const auto&, const auto& done) { done(Ok()); };
  ports.run_command = [](const auto&, const auto& done) { done(boost::json::object()); };
  const auto host = StartHost(BenchConfig(), file, std::move(ports));
  playing = host.get();
  const NodeId node("node");
  say(node, wire::Hello{.node = node, .host = "host", .slots = load.slots, .incarnation = 1});
  const auto start = std::chrono::steady_clock::now();
  (void)host->SubmitAndWait(SubmitSweep{Spec(load.trials), {}});
  for (int seen = ended; seen < load.trials; seen = ended) ended.wait(seen);
  const double seconds = SecondsSince(start);
  std::printf("durable, %d slots, %d trials: %.0f trials/s, %.3f ms each\n", load.slots,
              load.trials, load.trials / seconds, 1000 * seconds / load.trials);
}

/// How long a coordinator takes to come back that has so many trials behind it.
void Restart(const std::filesystem::path& folder, int trials) {
  const auto file = folder / ("bench-" + RandomHex(4) + ".db");
  DurableTrials(file, {.slots = 1'000, .trials = trials});
  const auto start = std::chrono::steady_clock::now();
  {
    const auto host = StartHost(BenchConfig(), file, {});
    (void)host->Ask([](const auto&...) { return boost::json::value(); });
    std::printf("restart with %d ended trials: %.2f s\n", trials, SecondsSince(start));
  }
  Remove(file);
}

/// `window` unanswered at most.
void DurableSubmits(const std::filesystem::path& folder, int count, int window, int trials = 1) {
  const auto file = folder / ("bench-" + RandomHex(4) + ".db");
  {
    server::CoordinatorHost::Ports ports;
    ports.send = [](const auto&, const auto&) {};
    ports.store_metrics = [](const auto&, const auto&) {};
    ports.run_command = [](const auto&, const auto&) {};
    const auto host = StartHost(Config::Default(), file, std::move(ports));
    std::atomic<int> answered = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      while (i - answered.load() >= window) answered.wait(answered.load());
      host->Submit(SubmitSweep{Spec(trials), SweepId("s" + std::to_string(i))},
                   [&](const auto& reply) {
                     if (!reply.ok()) std::printf("refused: %s\n", reply.error().message.c_str());
                     answered.fetch_add(1);
                     answered.notify_one();
                   });
    }
    for (int seen = answered; seen < count; seen = answered) answered.wait(seen);
    const double seconds = SecondsSince(start);
    std::printf("durable submits of %d trials, %d at a time: %.0f/s (%d in %.4f s)\n", trials,
                window, count / seconds, count, seconds);
  }
  Remove(file);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::filesystem::path folder = argc > 1 ? argv[1] : ".";
  const std::string_view part = argc > 2 ? argv[2] : "";
  if (part.empty() || part == "machine") {
    Trials({.nodes = 1, .trials = 20'000});
    Trials({.nodes = 1'000, .trials = 20'000, .ranks = 8});
    Trials({.nodes = 1'000, .sweeps = 100, .trials = 200, .ranks = 8});
    Trials({.nodes = 1'000, .trials = 100'000});
  }
  if (part.empty() || part == "trials") {
    const auto file = folder / ("bench-" + RandomHex(4) + ".db");
    for (const int slots : {8, 64, 256}) {
      DurableTrials(file, {.slots = slots, .trials = 20'000});
      Remove(file);
    }
  }
  if (part.empty() || part == "submits") {
    DurableSubmits(folder, 1'000, 1);
    DurableSubmits(folder, 20'000, 1'000);
    DurableSubmits(folder, 1, 1, 100'000);
  }
  if (part.empty() || part == "restart") Restart(folder, 100'000);
}
