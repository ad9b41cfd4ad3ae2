#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/batch_system.h"
#include "runtime/coordinator/state.h"
#include "runtime/sim/world.h"

/// What must hold of nodes that a batch system lends, beside `checker.h` and `rules.h`. A book of its own, from the durable
/// events alone.
///
///   S18  a pool asks for no more allocations than `most`, nor for more that wait than `backlog`
///   S19  after requests that brought no node it waits, longer each time; after five in a row until a person resumes it
///   S20  nothing starts on an allocation that was left, leaves or has ended; a job runs one attempt, of its own sweep
///   S21  a job that no open allocation stands for is cancelled in bounded time, once the batch system answers

namespace muster::sim {

class PoolRules {
 public:
  explicit PoolRules(World& world) : world_(world) {}

  /// These events have just become durable.
  void Committed(const std::vector<coordinator::Event>& events);
  /// Every second or so. `jobs`: those that have not ended. `watched`: the coordinator is steady and the batch system
  /// answers, so that something can be done about them.
  void Look(const std::vector<cluster::Job>& jobs, const std::string& home_id, bool watched);

 private:
  struct PoolBook {
    wire::PoolSpec spec;
    bool stopped = false;  ///< paused or removed
    std::set<AllocationId> open;
    int failures = 0;
    UnixMillis failed_ms = 0;
  };
  struct AllocationBook {
    std::string pool, key;
    int task = 0;
    SweepId sweep;
    bool joined = false, left = false;
    int attempts = 0;
  };
  void On(const coordinator::PoolSet& event);
  void On(const coordinator::PoolChanged& event);
  void On(const coordinator::AllocationAsked& event);
  void On(const coordinator::NodeSeen& event);
  void On(const coordinator::NodeLeft& event);
  void On(const coordinator::AllocationLeft& event);
  void On(const coordinator::AllocationEnded& event);
  void On(const coordinator::AttemptStarted& event);
  template <typename Other>
  void On(const Other&) {}
  AllocationBook* Of(const NodeId& node);

  World& world_;
  UnixMillis unix_ms_ = 0;  ///< of the event at hand
  std::map<std::string, PoolBook> pools_;
  std::map<AllocationId, AllocationBook> open_;
  std::set<NodeId> leaving_;
  std::map<std::string, Micros> stray_since_;  ///< by job
};

}  // namespace muster::sim
