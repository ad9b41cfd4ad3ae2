#include "runtime/server/coordinator_host.h"
#include "tests/runtime/server/small_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <thread>

#include "runtime/base/base64.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/journal/sqlite_journal.h"

namespace muster::server {
namespace {

using namespace coordinator;

/// A host on a real journal; the tracker answers at once, and one node does what it is told.
class CoordinatorHostTest : public testing::Test {
 protected:
  CoordinatorHostTest() { std::filesystem::create_directories(folder_); }
  ~CoordinatorHostTest() override {
    host_.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartHost() {
    auto journal = journal::SqliteJournal::Open(folder_ / "coordinator.db");
    ASSERT_TRUE(journal.ok()) << journal.error().message;
    CoordinatorHost::Ports ports;
    ports.send = [this](const NodeId& node, const wire::Envelope& envelope) {
      Play(node, envelope);
    };
    ports.store_metrics = [](const StoreMetrics&, const std::function<void(Status)>& done) {
      done(Ok());
    };
    ports.run_command = [this](const RunCommand& command, const auto& done) {
      if (std::holds_alternative<PromoteModel>(command.command)) {
        done(Internal("the engine threw"));
      } else if (fail_commands_-- > 0) {
        done(Unavailable("the tracker is away"));
      } else {
        commands_ += 1;
        done(boost::json::object{{"experiment_id", "1"}});
      }
    };
    ports.read_metric = [this](const RunId&,
                               const std::string&) -> Result<std::vector<TrackedMetric>> {
      return tracked_;
    };
    auto host = CoordinatorHost::Start(Config::Default(), std::move(journal).value(),
                                       folder_ / "logs", std::move(ports));
    ASSERT_TRUE(host.ok()) << host.error().message;
    const std::lock_guard lock(mutex_);
    host_ = std::move(host).value();
    playing_ = host_.get();
  }

  /// The node's side, on the coordinator's thread.
  void Play(const NodeId& node, const wire::Envelope& envelope) {
    const std::lock_guard lock(mutex_);
    if (const auto* prepare = std::get_if<wire::Prepare>(&envelope.message)) {
      token_ = prepare->env.at("MLFLOW_TRACKING_TOKEN");
      Say(node, wire::Prepared{prepare->epoch, "127.0.0.1", 5000});
    } else if (const auto* go = std::get_if<wire::Go>(&envelope.message)) {
      Say(node, wire::Started{go->epoch});
      if (!finish_) return;
      wire::TrialRecord record;
      record.step = 1;
      record.metrics["accuracy"] = 0.75;
      Say(node, wire::Records{go->epoch, 0, 10, {record}});
      Say(node, wire::LogChunk{go->epoch, 0, "out", 0, EncodeBase64(printed_)});
    } else if (const auto* ack = std::get_if<wire::Ack>(&envelope.message)) {
      if (ack->logs_end.empty()) return;
      wire::Exited exited;
      exited.epoch = ack->epoch;
      exited.cause = cause_;
      exited.records_end = 10;
      Say(node, exited);
    } else if (std::holds_alternative<wire::Forget>(envelope.message)) {
      done_.set_value();
    }
  }
  void Say(const NodeId& node, wire::Message message) {
    wire::Envelope envelope;
    envelope.message = std::move(message);
    playing_->OnMessage(node, std::move(envelope));
  }
  void Join() {
    const std::lock_guard lock(mutex_);
    Say(NodeId("a"),
        wire::Hello{.node = NodeId("a"), .host = "a.example", .slots = 1, .incarnation = 1});
  }
  Result<boost::json::object> Submit(Input input) { return host_->SubmitAndWait(std::move(input)); }
  static bool Until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  Result<boost::json::value> TrialPhaseAndValue() {
    return host_->Ask([](const Coordinator& coordinator, MonotonicTime,
                         UnixMillis) -> Result<boost::json::value> {
      const Trial* trial = coordinator.state().FindTrial(TrialId("s/0"));
      return boost::json::value{static_cast<int>(trial->phase), trial->value.value_or(-1)};
    });
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-host-" + RandomHex(8));
  std::mutex mutex_;  // guards what Play touches; the host's thread plays before Start has answered
  CoordinatorHost* playing_ = nullptr;  // still the host while host_ is being reset
  std::unique_ptr<CoordinatorHost> host_;
  std::string token_;
  bool finish_ = true;
  std::string printed_ = "hello";
  wire::ExitCause cause_ = wire::ExitCause::kSuccess;
  int fail_commands_ = 0, commands_ = 0;
  std::vector<TrackedMetric> tracked_;
  std::promise<void> done_;
};

TEST_F(CoordinatorHostTest, Sweep_RunsToItsEndOverARealJournal) {
  fail_commands_ = 1;  // the tracker comes back
  StartHost();
  Join();
  ASSERT_TRUE(Submit(SubmitSweep{SmallSpec(), SweepId("s")}).ok());
  done_.get_future().wait();
  EXPECT_EQ(*TrialPhaseAndValue(),
            (boost::json::value{static_cast<int>(TrialPhase::kComplete), 0.75}));
  EXPECT_EQ(*ReadWholeFile(host_->LogFile(TrialId("s/0"), AttemptEpoch(1), "0.out")), "hello");
  const auto owner = host_->AttemptOf(token_);
  ASSERT_TRUE(owner);
  EXPECT_FALSE(owner->live) << "a finished attempt's token is fenced";
  EXPECT_FALSE(host_->AttemptOf("another"));
}

TEST_F(CoordinatorHostTest, LineThatARuleMatches_IsKnownBeforeTheExitIsJudged) {
  printed_ = "step 1\nCUDA out of memory";  // and died, without the end of the line
  cause_ = wire::ExitCause::kUser;
  StartHost();
  Join();
  wire::SweepSpec spec = SmallSpec();
  spec.retry.user = 3;
  spec.on_log = {{"^CUDA out of memory$", wire::LogReaction::kFail}};
  ASSERT_TRUE(Submit(SubmitSweep{spec, SweepId("s")}).ok());
  done_.get_future().wait();
  std::string message;
  (void)host_->Ask(
      [&](const Coordinator& coordinator, MonotonicTime, UnixMillis) -> Result<boost::json::value> {
        const Trial& trial = *coordinator.state().FindTrial(TrialId("s/0"));
        if (trial.phase == TrialPhase::kFailed) message = trial.message;
        return boost::json::value(nullptr);
      });
  EXPECT_EQ(message, "CUDA out of memory (on_log[0])");
}

TEST_F(CoordinatorHostTest, Restart_KeepsWhatWasAcknowledgedAndAsksTheTracker) {
  finish_ = false;
  StartHost();
  Join();
  ASSERT_TRUE(Submit(SubmitSweep{SmallSpec(), SweepId("s")}).ok());
  while (true) {  // until the attempt runs; the test's time limit bounds it
    const auto live = host_->Ask([](const Coordinator& coordinator, MonotonicTime,
                                    UnixMillis) -> Result<boost::json::value> {
      return boost::json::value(coordinator.state().live.size());
    });
    if (live->to_number<int>() == 1) break;
    std::this_thread::yield();
  }
  host_.reset();
  tracked_ = {{"accuracy", 0.5, 100, 3, 0}};
  StartHost();
  const auto reports = host_->Ask(
      [](const Coordinator& coordinator, MonotonicTime, UnixMillis) -> Result<boost::json::value> {
        const Trial* trial = coordinator.state().FindTrial(TrialId("s/0"));
        return boost::json::value{coordinator.state().coordinator.value, trial->reports.size()};
      });
  EXPECT_EQ(*reports, (boost::json::value{2, 1}));
  {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(host_->AttemptOf(token_)->live);
  }
  const auto again = Submit(SubmitSweep{SmallSpec(), SweepId("s")});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->at("created"), false);
}

/// Fails as a full disk does, when told to.
class FailingJournal final : public Journal {
 public:
  explicit FailingJournal(std::atomic<bool>& full) : full_(full) {}
  Status Replay(const std::function<void(Event)>& each) override { return inner_.Replay(each); }
  Status Append(const std::vector<Event>& events) override {
    if (full_ && !events.empty())
      return ResourceExhausted("coordinator.db: database or disk is full");
    return inner_.Append(events);
  }

 private:
  std::atomic<bool>& full_;
  MemoryJournal inner_;
};

TEST_F(CoordinatorHostTest, PromotionThatFailsInternally_EndsTheSweepWithItsSentence) {
  StartHost();
  Join();
  wire::SweepSpec spec = SmallSpec();
  spec.trial.command.clear();
  spec.trial.program = "digits";
  spec.model.emplace().name = "digits";
  ASSERT_TRUE(Submit(SubmitSweep{spec, SweepId("s")}).ok());
  std::string message;
  EXPECT_TRUE(Until([&] {
    (void)host_->Ask([&](const Coordinator& coordinator, MonotonicTime,
                         UnixMillis) -> Result<boost::json::value> {
      const Sweep& sweep = *coordinator.state().FindSweep(SweepId("s"));
      if (sweep.phase == SweepPhase::kComplete) message = sweep.message;
      return boost::json::value(nullptr);
    });
    return !message.empty();
  }));
  EXPECT_EQ(message, "the model was not promoted: the engine threw");
}

TEST_F(CoordinatorHostTest, MetricsOfTheTracker_AreTakenHoweverMuchWaits) {
  finish_ = false;
  StartHost();
  Join();
  ASSERT_TRUE(Submit(SubmitSweep{SmallSpec(), SweepId("s")}).ok());
  RunId run;
  std::size_t reports = 0;
  const auto look = [&] {
    (void)host_->Ask([&](const Coordinator& coordinator, MonotonicTime,
                         UnixMillis) -> Result<boost::json::value> {
      const Trial* trial = coordinator.state().FindTrial(TrialId("s/0"));
      run = trial == nullptr ? RunId() : trial->run;
      reports = trial == nullptr ? 0 : trial->reports.size();
      return boost::json::value(nullptr);
    });
  };
  ASSERT_TRUE(Until([&] {
    look();
    return host_->LiveAttemptOf(run) == AttemptEpoch(1);
  }));
  EXPECT_EQ(host_->LiveAttemptOf(RunId("another")), AttemptEpoch());

  std::promise<void> held, go_on;
  std::thread holding([&] {
    (void)host_->Ask(
        [&](const Coordinator&, MonotonicTime, UnixMillis) -> Result<boost::json::value> {
          held.set_value();
          go_on.get_future().wait();
          return boost::json::value(nullptr);
        });
  });
  held.get_future().wait();
  for (int i = 0; i < 100'000; ++i) host_->Submit(NodeLost{NodeId("nobody")});
  EXPECT_EQ(Submit(NodeLost{NodeId("nobody")}).error().kind, ErrorKind::kResource);
  host_->OnMetrics({run, {{"accuracy", 0.5, 1000, 1, 1}}});
  go_on.set_value();
  holding.join();
  EXPECT_TRUE(Until([&] {
    look();
    return reports == 1;
  }));
}

TEST_F(CoordinatorHostTest, FullDisk_StopsWithASentenceAndAcknowledgesNothing) {
  std::atomic<bool> full = false;
  std::promise<Error> fatal;
  CoordinatorHost::Ports ports;
  ports.send = [](const NodeId&, const wire::Envelope&) {};
  ports.store_metrics = [](const StoreMetrics&, const std::function<void(Status)>&) {};
  ports.run_command = [](const RunCommand&, const auto&) {};
  ports.on_fatal = [&](const Error& error) { fatal.set_value(error); };
  auto host = CoordinatorHost::Start(Config::Default(), std::make_unique<FailingJournal>(full),
                                     folder_ / "logs", std::move(ports));
  ASSERT_TRUE(host.ok());
  host_ = std::move(host).value();
  ASSERT_TRUE(Submit(SubmitSweep{SmallSpec(), SweepId("s")}).ok());
  full = true;
  const auto refused = Submit(SubmitSweep{SmallSpec(), SweepId("t")});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kResource);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("disk is full"));
  EXPECT_THAT(fatal.get_future().get().message, testing::HasSubstr("the coordinator stops"));
  EXPECT_EQ(Submit(Tick{}).error().kind, ErrorKind::kUnavailable);
}

/// Commits when it is let; then fails from the batch on that it was told to fail.
class GatedJournal final : public Journal {
 public:
  struct Gate {
    std::promise<void> entered;
    std::promise<bool> works;
    std::atomic<bool> closed = false;
    std::atomic<int> appended = 0;
  };
  explicit GatedJournal(Gate& gate) : gate_(gate) {}
  Status Replay(const std::function<void(Event)>& /*each*/) override { return Ok(); }
  Status Append(const std::vector<Event>& /*events*/) override {
    if (gate_.closed.exchange(false)) {
      gate_.entered.set_value();
      if (!gate_.works.get_future().get()) return ResourceExhausted("disk full");
    }
    gate_.appended += 1;
    return Ok();
  }

 private:
  Gate& gate_;
};

TEST_F(CoordinatorHostTest, CommitThatFails_TakesWithItWhatWasSteppedOnTopOfIt) {
  GatedJournal::Gate gate;
  CoordinatorHost::Ports ports;
  ports.send = [](const NodeId&, const wire::Envelope&) {};
  ports.store_metrics = [](const StoreMetrics&, const std::function<void(Status)>&) {};
  ports.run_command = [](const RunCommand&, const auto&) {};
  auto host = CoordinatorHost::Start(Config::Default(), std::make_unique<GatedJournal>(gate),
                                     folder_ / "logs", std::move(ports));
  ASSERT_TRUE(host.ok());
  host_ = std::move(host).value();
  ASSERT_TRUE(Submit(SubmitSweep{SmallSpec(), SweepId("before")}).ok());
  const int before = gate.appended;
  gate.closed = true;
  std::promise<Error> first, second;
  const auto refused = [](std::promise<Error>& error) {
    return [&error](const auto& reply) { error.set_value(reply.ok() ? Error{} : reply.error()); };
  };
  host_->Submit(SubmitSweep{SmallSpec(), SweepId("first")}, refused(first));
  gate.entered.get_future().wait();
  host_->Submit(SubmitSweep{SmallSpec(), SweepId("second")}, refused(second));
  auto asked = std::async(std::launch::async, [&] {
    return host_->Ask([](const Coordinator& coordinator, MonotonicTime,
                         UnixMillis) -> Result<boost::json::value> {
      return boost::json::value(coordinator.state().sweeps.size());
    });
  });
  gate.works.set_value(false);
  EXPECT_EQ(first.get_future().get().kind, ErrorKind::kResource);
  EXPECT_THAT(second.get_future().get().message, testing::HasSubstr("disk full"));
  EXPECT_FALSE(asked.get().ok()) << "it would tell of a sweep that is not durable";
  host_.reset();
  EXPECT_EQ(gate.appended, before);
}

}  // namespace
}  // namespace muster::server
