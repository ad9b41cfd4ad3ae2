#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster/memory_batch_system.h"
#include "runtime/coordinator/allocation_jobs.h"
#include "runtime/sim/coordinator_host.h"
#include "runtime/sim/network.h"
#include "runtime/sim/node.h"
#include "runtime/sim/world.h"

/// A batch system, its machines, and what drives it for the coordinator as the server's pool worker does. Jobs' agents
/// are nodes of the simulation. What goes wrong: answers lost, requests taken after they were given up, refusals, an
/// absence of minutes, late starts, jobs requeued (the older start lives on for a while), doubled, lost, preempted,
/// machines that fall silent, clocks of machines that differ.

namespace muster::sim {

class Batch {
 public:
  /// Makes a node and starts its agent; it lives as long as the simulation.
  using MakeNode = std::function<Node*(const NodeId&, int slots, Node::Lent)>;

  Batch(World& world, CoordinatorHost& coordinator, Network& network, MakeNode make_node);

  /// Time passes and answers are looked at. For ever.
  void Run();
  /// Carries out a command to the batch system, as often as it is given.
  Result<boost::json::object> Carry(const coordinator::Command& command);

  // What befalls it.
  void Disturb();      ///< one job
  void LoseMachine();  ///< for a while
  void GoAway();       ///< likewise
  void Heal();

  /// That have not ended.
  [[nodiscard]] std::vector<cluster::Job> LiveJobs();
  [[nodiscard]] bool away() const { return away_; }
  [[nodiscard]] static std::string HomeId() { return "sim"; }

 private:
  struct Start {  ///< of a job
    std::string job;
    std::vector<int> machines;
    std::vector<Node*> nodes;
    int agents = 0;  ///< that have not ended
    bool killed = false;
    int exit_code = 0;
  };
  Result<boost::json::object> Submit(const coordinator::SubmitAllocations& command);
  void Advance();
  void Look();
  void Take(const cluster::MemoryBatchSystem::Event& event);
  void Begin(int number, const AllocationId& allocation, const cluster::JobRequest& request);
  void AgentEnded(int number, int exit_code);
  [[nodiscard]] std::vector<coordinator::OpenAllocation> Open() const;
  [[nodiscard]] UnixMillis MachineTime(int machine) const;

  World& world_;
  CoordinatorHost& coordinator_;
  Network& network_;
  MakeNode make_node_;
  cluster::MemoryBatchSystem system_;
  coordinator::JobWatch watch_;
  std::int64_t life_ = 0;  ///< of the coordinator that watch_ is of
  std::map<int, Start> starts_;
  std::map<std::string, int> current_;  ///< the start that a job's end comes of
  std::vector<Micros> skew_;            ///< of machines' clocks
  std::set<int> lost_;                  ///< machines
  bool away_ = false;
  std::int64_t absences_ = 0;
};

}  // namespace muster::sim
