#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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

  Node(World& world, std::string name, int slots, SendFn send, Hooks hooks);

  void BootAgent();
  void CrashAgent();  ///< kill -9 of the agent; shims and ranks live on. Boots again after a while
  void CrashMachine();  ///< every process dies, folders stay, or the whole disk is lost
  void CrashInNextStep() { crash_armed_ = true; }
  void Vanish();  ///< the machine crashes and never comes back
  [[nodiscard]] bool vanished() const { return vanished_; }
  [[nodiscard]] bool agent_up() const { return agent_ != nullptr; }
  /// Counts the lives of the agent: what was sent to an earlier one is lost.
  [[nodiscard]] std::int64_t life() const { return life_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  void Connect();
  void Disconnect();
  [[nodiscard]] bool connected() const { return connected_; }
  void Receive(wire::Envelope envelope);
  /// Processes of attempts that run here now, stopped shims included.
  [[nodiscard]] int LivingGangs() const;
  [[nodiscard]] const std::map<AttemptEpoch, std::shared_ptr<Gang>>& gangs() const {
    return gangs_;
  }

 private:
  void Input(const agent::Input& input);
  void InputLater(agent::Input input, Micros delay);
  void TickForEver(std::int64_t life);
  [[nodiscard]] MonotonicTime LocalTime() const;
  [[nodiscard]] Gang::Events WatchOf(AttemptEpoch epoch);
  void ExpectGangToEnd(AttemptEpoch epoch);

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

  std::map<AttemptEpoch, std::shared_ptr<Gang>> gangs_;
  MonotonicTime lease_until_;  ///< shims kill their ranks then

  // What dies with the agent.
  std::unique_ptr<agent::Agent> agent_;
  std::int64_t life_ = 0;
  bool vanished_ = false;
  bool connected_ = false;
  bool crash_armed_ = false;
  std::map<AttemptEpoch, agent::ReadRecords> reads_;
  std::map<std::pair<AttemptEpoch, std::string>, agent::ReadLog> log_reads_;
};

}  // namespace muster::sim
