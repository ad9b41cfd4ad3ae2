#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/coordinator/event.h"
#include "runtime/wire/pool_spec.h"
#include "runtime/wire/sweep_spec.h"

/// What a gang needs, what a node has, and whether the one goes into the other. Arithmetic only: who goes
/// first is the queue's business (coordinator_schedule.cc).

namespace muster::coordinator {

/// By name: "memory" in bytes and what administrators count. In quotas also "cpu" (slots) and "gpu"
/// (thousandths of a device).
using Amounts = std::map<std::string, std::int64_t>;

struct Device {
  std::int64_t memory_bytes = 0;  ///< 0: not known, so not counted
  int milli_held = 0;             ///< thousandths
  std::int64_t memory_held = 0;
};

/// What people, or muster itself, decided about a node; a greater one is not undone by a lesser.
enum class NodeMode { kOpen, kCordoned, kDrained, kExcluded };

struct Node {
  NodeId id;
  std::string host;
  int slots = 0;
  std::vector<Device> devices;
  Amounts resources;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> limits;  ///< what it keeps attempts within; for people
  bool remote_start = false;                  ///< takes a part of a gang that mpirun spreads
  std::map<int, AttemptEpoch> holders;        ///< slot -> attempt
  Amounts held;                               ///< of `resources`
  int stopping_slots = 0;                     ///< held by attempts that were told to stop
  NodeMode mode = NodeMode::kOpen;
  std::string mode_reason;
  /// Trials whose attempts failed on it in a row, each started after the one before had failed, as if the node
  /// were broken; and when the last of them did.
  std::set<TrialId> blamed_by;
  UnixMillis blamed_ms = 0;
  // Of an allocation's node:
  AllocationId allocation;
  SweepId only;                   ///< whose trials alone run there; empty: anybody's
  UnixMillis lasts_until_ms = 0;  ///< then it is drained; 0: not known
  bool leaving = false;           ///< it takes no more work, for `leaving_why`
  bool gone = false;              ///< its allocation has ended
  std::string leaving_why;

  [[nodiscard]] int free() const;
  /// May get new work, as far as people and its batch system are concerned.
  [[nodiscard]] bool schedulable() const { return mode == NodeMode::kOpen && !leaving && !gone; }
  [[nodiscard]] int free_devices() const;                 ///< those nobody has any part of
  [[nodiscard]] std::set<AttemptEpoch> attempts() const;  ///< that hold something here
};

struct GangShape {
  int ranks = 1;
  int cpus = 1;                               ///< slots of a rank
  int gpus = 0;                               ///< whole devices of a rank ...
  int gpu_milli = 0;                          ///< ... or a share of one
  std::int64_t gpu_memory = 0;                ///< bytes on each device of a rank
  Amounts amounts;                            ///< of a rank
  std::map<std::string, std::string> labels;  ///< a node has to have them
  std::set<NodeId> excluded;                  ///< nodes that its sweep uses no more
  int most_nodes = 1;                         ///< 0: any number
  bool mpi = false;                           ///< mpirun starts it
  SweepId sweep;  ///< whose it is, once nodes were asked for that are its own; else empty
  friend auto operator<=>(const GangShape&, const GangShape&) = default;
};
GangShape ShapeOf(const wire::SweepSpec& spec);
/// A node as the pool's allocations have them, or of a job the largest.
Node NodeOf(const wire::PoolSpec& pool);

/// What `ranks` of its ranks hold, as quotas count.
Amounts AmountsOf(const GangShape& shape, int ranks);

enum class Count { kAll, kFree };
/// How many ranks the node can hold: all in all, or beside what it holds now. 0 when it lacks a label.
int RanksThatFit(const Node& node, const GangShape& shape, Count count);

/// Slots and devices for `ranks` ranks, which must fit: the lowest free slots, whole devices by their
/// number, shares where the least is left.
Placement PlaceOn(const Node& node, const GangShape& shape, int first_rank, int ranks);
void Hold(Node& node, const Placement& place, const GangShape& shape, AttemptEpoch epoch);
void Release(Node& node, const Placement& place, const GangShape& shape);

/// A node that may be given work now.
struct Room {
  const Node* node = nullptr;
  bool reserved = false;  ///< kept for a gang that waits
};
struct Part {
  Room* room = nullptr;
  int ranks = 0;
};
/// Where the gang fits now: on the fullest node that holds all of it, else, if it may spread, on the nodes
/// that hold most of it. Empty: nowhere.
/// Nodes that are drained before `until` do not count; 0: that is no matter.
std::vector<Part> FindPlace(std::vector<Room>& rooms, const GangShape& shape, UnixMillis until = 0);
/// Keeps for a gang that found no place the nodes where it will find one first, so that smaller gangs behind
/// it cannot starve it. Answers what it will have of each; empty when no nodes can hold it.
std::vector<Part> Reserve(std::vector<Room>& rooms, const GangShape& shape, UnixMillis until = 0);

/// Could these nodes hold the gang if they were empty?
bool CouldHold(std::vector<Room>& rooms, const GangShape& shape);

/// How many such gangs the rooms hold, all in all and beside what they hold now.
struct Capacity {
  int all = 0, now = 0;
};
Capacity CapacityFor(const std::vector<Room>& rooms, const GangShape& shape);

}  // namespace muster::coordinator
