#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/agent/agent.h"
#include "runtime/sim/gang.h"
#include "runtime/sim/world.h"

/// A simulated machine with a real agent on it: carries out the agent's effects in memory, as
/// cluster/local does with processes.

namespace muster::sim {

class Node {
 public:
  using SendFn = std::function<void(const wire::Envelope&)>;
  /// For checkers: told before the folder of an attempt is made, before its ranks start, and when nothing
  /// of it is left, its folder least of all.
  struct Hooks {
    std::function<void(const wire::Prepare&)> making;
    std::function<void(const wire::Prepare&)> starting;
    std::function<void(const Gang&)> forgetting;
  };

  /// What a node is that a batch system lends: one start of one job's agent, on a home of its own.
  struct Lent {
    std::int64_t incarnation = 1;              ///< by the clock of the machine
    std::function<void(int exit_code)> ended;  ///< its agent has, by itself or by a fault
  };

  Node(World& world, std::string name, int slots, SendFn send, Hooks hooks);
  Node(World& world, std::string name, int slots, SendFn send, Hooks hooks, Lent lent);

  void BootAgent();
  void CrashAgent();  ///< kill -9 of the agent; shims and ranks live on. Boots again after a while
  void CrashMachine();  ///< every process dies, folders stay, or the whole disk is lost
  void CrashInNextStep() { crash_armed_ = true; }
  /// SIGSTOP of the agent, and SIGCONT later: it is late for everything, its ranks go on.
  void PauseAgent(Micros how_long);
  /// The same between two effects, as may happen between a decision and the deed.
  void PauseInNextStep(Micros how_long) { pause_armed_ = how_long; }
  [[nodiscard]] bool paused() const { return world_.scheduler.now() < paused_until_; }
  /// How long the agent has run without a stop or a restart.
  [[nodiscard]] Micros SteadyFor() const {
    return agent_up() ? world_.scheduler.now() - steady_since_ : 0;
  }
  /// What it does now was decided before a pause.
  [[nodiscard]] bool late() const { return late_; }
  void KillProcess();  ///< kill -9 of a rank or a shim of some attempt
  void Vanish();       ///< the machine crashes and never comes back
  /// The batch system's signal: SIGUSR2 before the end of its time, SIGTERM when others want it.
  void Leave(wire::ExitCause cause);
  /// ... and its SIGKILL: to all processes, or (not `contained`) to those that descend from the agent's start.
  void KillLent(bool contained);
  [[nodiscard]] bool lent() const { return lent_.has_value(); }
  [[nodiscard]] std::int64_t incarnation() const { return lent_ ? lent_->incarnation : life_; }
  [[nodiscard]] bool vanished() const { return vanished_; }
  [[nodiscard]] bool agent_up() const { return agent_ != nullptr; }
  /// Counts the lives of the agent: what was sent to an earlier one is lost.
  [[nodiscard]] std::int64_t life() const { return life_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  void Connect();
  void Disconnect();
  [[nodiscard]] bool connected() const { return connected_; }
  void Receive(wire::Envelope envelope);
  [[nodiscard]] int LivingShims() const;
  [[nodiscard]] const std::map<AttemptEpoch, std::shared_ptr<Gang>>& gangs() const {
    return gangs_;
  }

 private:
  void Input(const agent::Input& input);
  void Step(const agent::Input& input);
  void CarryOut(const agent::Effects& effects, std::size_t next);
  void InputLater(agent::Input input, Micros delay);
  /// When the agent is not stopped: now, or in order with the rest that waits for its going on.
  void WhenAwake(std::function<void()> action);
  void TickForEver(std::int64_t life);
  [[nodiscard]] MonotonicTime LocalTime() const;
  [[nodiscard]] Gang::Events WatchOf(AttemptEpoch epoch);
  void ExpectGangToEnd(AttemptEpoch epoch);
  void StopAgent();
  void EndLent(int exit_code);

  void Do(const agent::Send& effect);
  void Do(const agent::MakeAttempt& effect);
  void Do(const agent::StartRanks& effect);
  void Do(const agent::SignalRanks& effect);
  void Do(const agent::NoteEnd& effect);
  void Do(const agent::KillAttempt& effect);
  void Do(const agent::ReadRecords& effect);
  void Do(const agent::ReadLog& effect);
  void Do(const agent::ForgetAttempt& effect);
  void Do(const agent::InspectHang& /*effect*/) {
  }  // never answered: the agent does not wait for ever
  void Do(const agent::RenewLease& effect);
  void Do(const agent::Quit& effect);
  void Sweep(AttemptEpoch epoch);
  void ServeReads(AttemptEpoch epoch);
  void CheckSlots(const wire::Prepare& prepare);

  World& world_;
  std::string name_;
  int slots_ = 1;
  SendFn send_;
  Hooks hooks_;
  double clock_rate_ = 1;
  Micros clock_offset_ = 0;
  bool broken_ = false;  ///< makes no attempt while the world is bad
  std::optional<Lent> lent_;

  std::map<AttemptEpoch, std::shared_ptr<Gang>> gangs_;
  MonotonicTime lease_until_;  ///< shims kill their ranks then

  // What dies with the agent.
  std::unique_ptr<agent::Agent> agent_;
  std::int64_t life_ = 0;
  bool vanished_ = false;
  bool connected_ = false;
  bool crash_armed_ = false;
  Micros pause_armed_ = 0;
  Micros paused_until_ = 0;
  Micros steady_since_ = 0;
  std::int64_t pauses_ = 0;
  std::deque<std::function<void()>> held_;  ///< by a pause
  bool late_ = false;
  std::map<AttemptEpoch, agent::ReadRecords> reads_;
  std::map<std::pair<AttemptEpoch, std::string>, agent::ReadLog> log_reads_;
};

}  // namespace muster::sim
