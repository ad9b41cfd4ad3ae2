#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/journal.h"
#include "runtime/wire/codec.h"

/// A coordinator with a journal in memory, a clock that moves when told to, and everything it sent or asked
/// for laid out to be looked at. At the end of each test the journal is replayed and must give the state.

namespace muster::coordinator {

class Rig {
 public:
  Rig() : Rig(Config()) {}
  explicit Rig(Config config) : config_(std::move(config)) {
    if (!config_.make_search) config_.make_search = &tuner::MakeSearch;
    config_.random_hex = [this](std::size_t bytes) {
      std::string digits = std::to_string(++ids_);
      return std::string(2 * bytes - digits.size(), '0') + digits;
    };
    config_.tracking_uri = "http://127.0.0.1:7070";
    config_.checkpoint_root = "/checkpoints";
    Restart();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() { ExpectReplayEqualsState(); }

  /// The process dies and comes back: only the journal is left.
  void Restart() {
    coordinator_ = std::make_unique<Coordinator>(config_);
    auto events = journal_.Load();
    ASSERT_TRUE(events.ok()) << events.error().message;
    for (const Event& event : *events) coordinator_->Apply(event);
    Take(coordinator_->Start(now_, unix_));
  }

  void ExpectReplayEqualsState() {
    Coordinator again(config_);
    auto events = journal_.Load();
    ASSERT_TRUE(events.ok()) << events.error().message;
    for (const Event& event : *events) again.Apply(event);
    EXPECT_EQ(wire::SerializeJson(Dump(again.state())), wire::SerializeJson(Dump(state())));
  }

  /// Must be accepted.
  void Do(const Input& input) {
    const auto reply = Ask(input);
    EXPECT_TRUE(reply.ok()) << reply.error().message;
  }
  Result<boost::json::object> Ask(const Input& input) {
    Effects effects = coordinator_->Step(input, now_, unix_);
    Result<boost::json::object> reply = effects.reply;
    Take(std::move(effects));
    Take(coordinator_->Settle(now_, unix_));
    return reply;
  }
  void From(const std::string& node, wire::Message message) {
    Do(FromNode{NodeId(node), std::move(message)});
  }
  /// Time passes; every node in `alive` sends a heartbeat each second.
  void Pass(std::int64_t ms, const std::vector<std::string>& alive = {}) {
    for (std::int64_t done = 0; done < ms; done += 200) {
      now_ += std::chrono::milliseconds(200);
      unix_ += 200;
      if (done % 1000 == 0) {
        for (const std::string& node : alive) From(node, wire::Heartbeat{NodeId(node), done});
      }
      Do(Tick{});
    }
  }
  void SetClock(std::int64_t forward_ms) { unix_ += forward_ms; }
  void Join(const std::string& node, int slots, std::int64_t incarnation = 1,
            std::vector<wire::AttemptReport> attempts = {}) {
    From(node, wire::Hello{.node = NodeId(node),
                           .host = node + ".example",
                           .slots = slots,
                           .incarnation = incarnation,
                           .attempts = std::move(attempts)});
  }
  /// Answers every command that waits for the tracker.
  void AnswerCommands() {
    while (!actions.empty()) {
      const Action action = actions.front();
      actions.pop_front();
      if (const auto* command = std::get_if<RunCommand>(&action)) {
        boost::json::object result;
        if (std::holds_alternative<CreateRun>(command->command)) result["experiment_id"] = "7";
        commands.push_back(command->command);
        Do(OutboxDone{command->id, {}, result});
      } else if (const auto* store = std::get_if<StoreMetrics>(&action)) {
        stored.insert(stored.end(), store->metrics.begin(), store->metrics.end());
        Do(StoreMetricsDone{store->token, {}});
      }
    }
  }
  /// Takes the oldest message of type T that was sent; fails the test when there is none.
  template <typename T>
  T Sent() {
    for (auto it = sends.begin(); it != sends.end(); ++it) {
      if (auto* message = std::get_if<T>(&it->message)) {
        T taken = *message;
        sends.erase(it);
        return taken;
      }
    }
    ADD_FAILURE() << "nothing of this type was sent";
    return {};
  }
  template <typename T>
  [[nodiscard]] int CountSent() const {
    int count = 0;
    for (const Send& send : sends) count += std::holds_alternative<T>(send.message) ? 1 : 0;
    return count;
  }
  /// Submits, and brings the first trial of a one-slot sweep to run on `node`; answers its epoch.
  AttemptEpoch RunOne(const std::string& node) {
    AnswerCommands();
    const AttemptEpoch epoch = Sent<wire::Prepare>().epoch;
    std::erase_if(sends, [](const Send& send) {  // its repetitions
      return std::holds_alternative<wire::Prepare>(send.message);
    });
    From(node, wire::Prepared{epoch, "127.0.0.1", 5000});
    Sent<wire::Go>();
    From(node, wire::Started{epoch});
    return epoch;
  }
  void Report(const std::string& node, AttemptEpoch epoch, std::int64_t begin, std::int64_t step,
              double value, const std::string& metric = "accuracy") {
    wire::TrialRecord record;
    record.step = step;
    record.timestamp_ms = 1000 + step;
    record.metrics[metric] = value;
    From(node, wire::Records{epoch, begin, begin + 10, {record}});
    AnswerCommands();
  }
  void Exit(const std::string& node, AttemptEpoch epoch, wire::ExitCause cause,
            std::int64_t records_end = 0, const std::string& message = "exit 3") {
    wire::Exited exited;
    exited.epoch = epoch;
    exited.cause = cause;
    exited.message = message;
    exited.records_end = records_end;
    From(node, exited);
  }

  [[nodiscard]] const State& state() const { return coordinator_->state(); }
  [[nodiscard]] const Trial& trial(const std::string& id) const {
    return *state().FindTrial(TrialId(id));
  }
  [[nodiscard]] const Sweep& sweep(const std::string& id) const {
    return *state().FindSweep(SweepId(id));
  }
  Coordinator& coordinator() { return *coordinator_; }
  [[nodiscard]] MonotonicTime now() const { return now_; }
  [[nodiscard]] UnixMillis unix_now() const { return unix_; }
  MemoryJournal& journal() { return journal_; }

  std::deque<Send> sends;
  std::deque<Action> actions;
  std::vector<Command> commands;      // that were answered
  std::vector<TrackedMetric> stored;  // in the tracker

 private:
  void Take(Effects effects) {
    ASSERT_TRUE(journal_.Append(effects.events).ok());
    for (Send& send : effects.sends) sends.push_back(std::move(send));
    for (Action& action : effects.actions) actions.push_back(std::move(action));
  }

  Config config_;
  MemoryJournal journal_;
  std::unique_ptr<Coordinator> coordinator_;
  MonotonicTime now_{};
  UnixMillis unix_ = 1'700'000'000'000;
  int ids_ = 0;
};

/// A sweep of `trials` one-slot commands over lr that maximises "accuracy".
inline wire::SweepSpec SmallSpec(int trials = 1) {
  wire::SweepSpec spec;
  spec.name = "small";
  spec.trial.command = {"train", "--lr", "{lr}"};
  spec.space = {{"lr", {{"float", {0.001, 0.1}}, {"log", true}}}};
  spec.objective.metric = "accuracy";
  spec.budget.trials = trials;
  spec.sampler = "random";
  return spec;
}

}  // namespace muster::coordinator
