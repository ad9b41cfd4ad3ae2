#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <future>

#include "runtime/base/random.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/server/coordinator_host.h"

/// Figures of the coordinator, one line each; run by scripts/bench/coordinator.
///   coordinator_bench [FOLDER]   the database is made in FOLDER and removed

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
  Result<tuner::Params> Suggest(std::int64_t number, const tuner::History& /*history*/) override {
    return tuner::Params{{"lr", static_cast<double>(number)}};
  }
};

/// Every trial from its suggestion to its exit, on `nodes` nodes of 4 slots, gangs of 2. No journal.
void StateMachine(int nodes, int sweeps, int trials) {
  Config config = Config::Default();
  config.random_hex = [n = 0](std::size_t bytes) mutable {
    std::string digits = std::to_string(++n);
    return std::string(2 * bytes - digits.size(), '0') + digits;
  };
  config.make_sampler = [](const auto&) -> Result<std::unique_ptr<tuner::Sampler>> {
    return std::unique_ptr<tuner::Sampler>(std::make_unique<FreeSampler>());
  };
  Coordinator coordinator(std::move(config));
  std::int64_t steps = 0, events = 0, ended = 0;
  std::deque<Input> inputs;
  MonotonicTime now{};
  const auto take = [&](Effects effects) {
    events += static_cast<std::int64_t>(effects.events.size());
    for (Send& send : effects.sends) {
      if (auto* prepare = std::get_if<wire::Prepare>(&send.message)) {
        inputs.push_back(FromNode{send.node, wire::Prepared{prepare->epoch, "127.0.0.1", 5000}});
      } else if (auto* go = std::get_if<wire::Go>(&send.message)) {
        inputs.push_back(FromNode{send.node, wire::Started{go->epoch}});
        wire::TrialRecord record;
        record.step = 1;
        record.metrics["accuracy"] = 0.5;
        inputs.push_back(FromNode{send.node, wire::Records{go->epoch, 0, 10, {record}}});
      } else if (auto* ack = std::get_if<wire::Ack>(&send.message)) {
        wire::Exited exited;
        exited.epoch = ack->epoch;
        exited.cause = wire::ExitCause::kSuccess;
        exited.records_end = 10;
        inputs.push_back(FromNode{send.node, exited});
      } else if (std::holds_alternative<wire::Forget>(send.message)) {
        ++ended;
      }
    }
    for (const Action& action : effects.actions) {
      if (const auto* command = std::get_if<RunCommand>(&action)) {
        inputs.push_back(OutboxDone{command->id, {}, {}});
      } else if (const auto* store = std::get_if<StoreMetrics>(&action)) {
        inputs.push_back(StoreMetricsDone{store->token, {}});
      }
    }
  };
  take(coordinator.Start(now, 0));
  for (int i = 0; i < nodes; ++i) {
    const NodeId node("node" + std::to_string(i));
    take(coordinator.Step(
        FromNode{node, wire::Hello{.node = node, .host = "host", .slots = 4, .incarnation = 1}},
        now, 0));
  }
  wire::SweepSpec spec = Spec(trials);
  spec.trial.ranks = 2;
  for (int i = 0; i < sweeps; ++i) inputs.push_back(SubmitSweep{spec, {}});
  const auto start = std::chrono::steady_clock::now();
  while (!inputs.empty()) {
    const Input input = std::move(inputs.front());
    inputs.pop_front();
    take(coordinator.Step(input, now, 0));
    ++steps;
  }
  const double seconds = SecondsSince(start);
  std::printf(
      "state machine, %d nodes, %d sweeps: %.0f steps/s, %.0f events/s, %.0f gangs/s"
      " (%lld trials in %.2f s)\n",
      nodes, sweeps, static_cast<double>(steps) / seconds, static_cast<double>(events) / seconds,
      static_cast<double>(ended) / seconds, static_cast<long long>(ended), seconds);
}

/// Submits through the host and a real journal, `window` unanswered at most.
void DurableSubmits(const std::filesystem::path& folder, int count, int window) {
  const auto file = folder / ("bench-" + RandomHex(4) + ".db");
  {
    server::CoordinatorHost::Ports ports;
    ports.send = [](const auto&, const auto&) {};
    ports.store_metrics = [](const auto&, const auto&) {};
    ports.run_command = [](const auto&, const auto&) {};
    auto journal = journal::SqliteJournal::Open(file);
    auto host = server::CoordinatorHost::Start(Config::Default(), std::move(journal).value(),
                                               folder / "logs", std::move(ports));
    std::atomic<int> answered = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
      while (i - answered.load() >= window) answered.wait(answered.load());
      (*host)->Submit(SubmitSweep{Spec(1), SweepId("s" + std::to_string(i))},
                      [&](const auto& reply) {
                        if (!reply.ok())
                          std::printf("refused: %s\n", reply.error().message.c_str());
                        answered.fetch_add(1);
                        answered.notify_one();
                      });
    }
    for (int seen = answered; seen < count; seen = answered) answered.wait(seen);
    const double seconds = SecondsSince(start);
    std::printf("durable submits, %d at a time: %.0f/s (%d in %.2f s)\n", window, count / seconds,
                count, seconds);
  }
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::filesystem::path folder = argc > 1 ? argv[1] : ".";
  StateMachine(1, 1, 20'000);
  StateMachine(1'000, 1, 20'000);
  StateMachine(1'000, 100, 200);
  DurableSubmits(folder, 1'000, 1);
  DurableSubmits(folder, 20'000, 1'000);
}
