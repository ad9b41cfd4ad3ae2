#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/agent/agent.h"
#include "runtime/agent/describe.h"

namespace muster::agent {

using Lines = std::vector<std::string>;

/// An agent whose every effect is seen as a line of text, so that a test says all that may happen (but for
/// RenewLease, which comes with every answered heartbeat and has its own test).
class AgentTest : public testing::Test {
 protected:
  static Options NodeOptions() {
    Options options;
    options.node = NodeId("n1");
    options.slots = 4;
    return options;
  }

  Lines Do(const Input& input, std::int64_t after_ms = 0) {
    now_ += std::chrono::milliseconds(after_ms);
    effects_ = agent_.Step(input, now_);
    Lines lines;
    for (const Effect& effect : effects_) {
      if (!std::holds_alternative<RenewLease>(effect)) lines.push_back(Describe(effect));
      const auto* send = std::get_if<Send>(&effect);
      const auto* hello =
          send == nullptr ? nullptr : std::get_if<wire::Hello>(&send->envelope.message);
      if (hello != nullptr) hello_ = hello->sequence;
    }
    return lines;
  }
  Lines Say(wire::Message message, std::int64_t coordinator = 1) {
    coordinator_ = std::max(coordinator_, coordinator);
    if (auto* welcome = std::get_if<wire::Welcome>(&message); welcome && welcome->hello == 0)
      welcome->hello = hello_;
    return Do(
        Received{{.coordinator = CoordinatorEpoch(coordinator), .message = std::move(message)}});
  }
  /// Ticks and answered heartbeats for so long; every other effect.
  Lines PassTime(std::int64_t ms, bool answer = true) {
    Lines others;
    for (std::int64_t passed = 0; passed < ms; passed += 100) {
      for (const std::string& line : Do(Tick{}, 100)) {
        const std::string heartbeat = "send heartbeat ";
        if (!line.starts_with(heartbeat)) {
          others.push_back(line);
        } else if (answer && line != heartbeat + "0") {
          const wire::HeartbeatAck ack{std::stoll(line.substr(heartbeat.size()))};
          EXPECT_EQ(Say(ack, coordinator_), Lines{});
        }
      }
    }
    return others;
  }

  static wire::Prepare PrepareOf(std::int64_t epoch, std::vector<int> slots, int ranks = 1) {
    wire::Prepare prepare;
    prepare.epoch = AttemptEpoch(epoch);
    prepare.trial = TrialId("sweep/" + std::to_string(epoch));
    prepare.ranks = ranks;
    prepare.slots = std::move(slots);
    return prepare;
  }
  static RanksExited::Rank Rank(int rank, int code, bool oom = false) {
    return {{rank, code, "exit " + std::to_string(code)}, oom};
  }

  void Connect() {
    ASSERT_EQ(Do(FoundAtStart{}), Lines{});
    ASSERT_EQ(Do(Connected{}), Lines{"send hello incarnation 1:"});
    ASSERT_EQ(Say(wire::Welcome{.coordinator = CoordinatorEpoch(1)}), Lines{});
  }
  void MakePrepared(const wire::Prepare& prepare) {
    const std::string epoch = std::to_string(prepare.epoch.value);
    ASSERT_EQ(Say(prepare), Lines{"make " + epoch});
    ASSERT_EQ(Do(ShimReady{prepare.epoch, "10.0.0.1", 4000}),
              Lines{"send prepared " + epoch + " 10.0.0.1:4000"});
  }
  void MakeRunning(const wire::Prepare& prepare) {
    MakePrepared(prepare);
    const std::string epoch = std::to_string(prepare.epoch.value);
    Lines wanted{"start " + epoch, "read " + epoch + " from 0"};
    for (int rank = 0; rank < prepare.ranks; ++rank) {
      for (const char* stream : {"err", "out"})
        wanted.push_back("read " + epoch + " " + std::to_string(rank) + "." + stream + " from 0");
    }
    ASSERT_EQ(Say(wire::Go{prepare.epoch, "10.0.0.1", 4000}), wanted);
    ASSERT_EQ(Do(ShimStarted{prepare.epoch}), Lines{"send started " + epoch});
  }

  Agent agent_{NodeOptions()};
  MonotonicTime now_{};
  std::int64_t coordinator_ = 1;  ///< the newest that spoke
  std::int64_t hello_ = 0;        ///< the newest that was sent
  Effects effects_;
};

}  // namespace muster::agent
