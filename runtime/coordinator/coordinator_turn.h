#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/coordinator/coordinator.h"

/// Private to the coordinator_*.cc files.

namespace muster::coordinator {

struct Coordinator::Turn {
  MonotonicTime now;
  UnixMillis unix_now = 0;
  Effects effects;
  AttemptEpoch ending;  ///< whose end is being committed
  /// Of Settle: how many gangs of a shape the usable nodes hold.
  std::map<GangShape, Capacity> capacities{};

  void Send(const NodeId& node, wire::Message message) {
    effects.sends.push_back({node, std::move(message)});
  }
  void Do(Action action) { effects.actions.push_back(std::move(action)); }
};

struct Coordinator::AttemptWatch {
  std::optional<MonotonicTime> next_send;  ///< of Prepare, Go, Abort or Stop
  std::chrono::milliseconds interval{0};   ///< until the one after it
  std::optional<MonotonicTime> deadline;   ///< of the phase
  /// Records whose metrics are on their way to the tracker, in spool order.
  struct Batch {
    std::int64_t token = 0;
    bool stored = false;
    std::string refused;  ///< why the tracker will never take it
    Reported reported;
    std::optional<double> result;
  };
  struct MemberWatch {
    std::int64_t incarnation = 0;  ///< of the agent that last spoke of the attempt
    std::deque<Batch> batches;
  };
  std::map<NodeId, MemberWatch> members;
};

struct Coordinator::AllocationWatch {
  std::optional<MonotonicTime> idle_from;
  std::optional<MonotonicTime> next_retire;
  std::optional<MonotonicTime> cancel_at;  ///< if it is still there then
  bool cancelled = false;
  std::string not_understood;            ///< why an agent of it was not heard
  std::optional<MonotonicTime> told_at;  ///< when the batch system last said something of it ...
  UnixMillis told_ends_ms = 0;           ///< ... and the end it then said
};

inline std::chrono::milliseconds Ms(std::int64_t count) { return std::chrono::milliseconds(count); }

}  // namespace muster::coordinator
