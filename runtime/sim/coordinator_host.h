#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator.h"
#include "runtime/sim/journal.h"
#include "runtime/sim/stores.h"
#include "runtime/sim/world.h"

/// Runs a real Coordinator as the daemon's thread does: turns of steps, one commit, then effects. A crash
/// may come anywhere between those.

namespace muster::sim {

class CoordinatorHost {
 public:
  using Reply = std::function<void(const Result<boost::json::object>&)>;
  struct Hooks {
    std::function<void(const NodeId&, const wire::Envelope&)> send;
    /// A turn was committed: these events are durable now.
    std::function<void(const std::vector<coordinator::Event>&)> committed;
    /// An action is about to be carried out (its turn was committed).
    std::function<void(const coordinator::Action&)> acting;
    /// A script's metric is about to be stored as this attempt's.
    std::function<void(AttemptEpoch)> logging;
    std::function<void()> crashed;
    /// The coordinator is about to take a message of this node.
    std::function<void(const NodeId&)> hearing;
    /// What is asked of a batch system; any error but a refusal for good is followed by another try.
    std::function<Result<boost::json::object>(const coordinator::Command&)> batch;
  };

  CoordinatorHost(World& world, Stores& stores, Hooks hooks);

  void Boot();
  void Crash();  ///< boots again after a while
  void CrashInNextCommit() { crash_armed_ = true; }
  /// The process is stopped (SIGSTOP, a long page fault) and goes on later, late for everything.
  void Pause(Micros how_long);
  /// Somebody sets the machine's clock.
  void SetClock(Micros forward) { wall_offset_ += forward; }
  [[nodiscard]] bool up() const { return coordinator_ != nullptr; }
  /// Up, and not stopped for some seconds: what is due has been done.
  [[nodiscard]] bool steady() const {
    return up() && world_.scheduler.now() > paused_until_ + 5 * kSecond;
  }
  [[nodiscard]] std::int64_t life() const { return life_; }
  /// What the disk holds, as a coordinator that starts now would see it.
  [[nodiscard]] std::vector<coordinator::Event> Events() { return journal_->Events(); }
  [[nodiscard]] const coordinator::Coordinator& coordinator() const { return *coordinator_; }
  [[nodiscard]] bool idle() const { return !busy_ && queue_.empty() && !Paused(); }

  /// What the tracker's HTTP side does with a point that a script logs.
  World::Logged Log(const wire::Prepare& prepare, std::int64_t step,
                    const std::map<std::string, double>& metrics);

  /// `reply` is called when the answer reached the asker; never when it was lost.
  void Take(coordinator::Input input, Reply reply = {});

 private:
  struct Request {
    coordinator::Input input;
    Reply reply;
  };
  struct Answered {
    coordinator::Effects effects;
    Reply reply;
  };
  void Tell(const std::vector<coordinator::Event>& events);
  void Unfence(coordinator::Input& input) const;
  void Turn();
  void Commit(std::vector<Answered> answers);
  void Release(const coordinator::Effects& effects);
  void Delete(const coordinator::Command& command);
  void Act(const coordinator::Action& action);
  void Ask(const coordinator::RunCommand& command);
  void LookFor(const coordinator::StoreLog& log);
  void TickForEver(std::int64_t life);
  [[nodiscard]] bool Paused() const { return world_.scheduler.now() < paused_until_; }
  [[nodiscard]] MonotonicTime LocalTime() const;
  [[nodiscard]] UnixMillis UnixTime() const;
  /// After a while, unless the coordinator has died meanwhile.
  void Later(Micros delay, std::function<void()> action);

  World& world_;
  Stores& stores_;
  Hooks hooks_;
  std::unique_ptr<SimJournal> journal_;
  std::size_t told_ = 0;  ///< events that the checkers know to be durable
  Micros wall_offset_ = 0;

  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::int64_t life_ = 0;
  Micros booted_ = 0;
  bool crash_armed_ = false;
  bool busy_ = false;  ///< a commit is under way
  Micros paused_until_ = 0;
  std::deque<Request> queue_;
  std::vector<coordinator::Event> writing_;  ///< of the commit under way
};

}  // namespace muster::sim
