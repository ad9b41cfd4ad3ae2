#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "runtime/coordinator/event.h"
#include "runtime/wire/sweep_spec.h"

/// What a coordinator is told, and what it wants done.

namespace muster::coordinator {

// --- inputs -----------------------------------------------------------------------------------------

/// Reply: {"id": "...", "created": bool}. kInvalid with the path of the mistake; kConflict when the id
/// names another spec.
struct SubmitSweep {
  wire::SweepSpec spec;
  SweepId id;        ///< empty: "<name>-<n>"
  std::string user;  ///< whose share and quota it counts against
};
enum class SweepVerb { kPause, kResume, kCancel };
/// Reply: {}. kNotFound; kConflict when the sweep has ended.
struct ChangeSweep {
  SweepId sweep;
  SweepVerb verb = SweepVerb::kPause;
};
/// Ends as cancelled. Reply: {}. kNotFound; kConflict when the trial has ended.
struct StopTrial {
  TrialId trial;
};
/// Reply: {}. kNotFound; kConflict unless the trial has failed or was cancelled and its sweep is open.
struct RetryTrial {
  TrialId trial;
};
/// The sweep goes on in this space. Reply: {}. kNotFound; kInvalid for a space that cannot be read, or in which a
/// point of the old one does not lie; kConflict when the sweep has ended.
struct WidenSpace {
  SweepId sweep;
  boost::json::object space;
  std::vector<std::string> constraints;
};
/// A coming trial of the sweep has these parameters. Reply: {}. kNotFound; kInvalid with the path of the mistake;
/// kConflict when the sweep adds no more trials.
struct EnqueueTrial {
  SweepId sweep;
  boost::json::object params;
};
/// Reply: {}. kInvalid for a negative amount or an empty user. Gangs that run stay.
struct SetQuota {
  std::string user;
  std::map<std::string, std::int64_t> most;  ///< as in QuotaSet
};
enum class NodeVerb { kCordon, kUncordon, kDrain, kExclude };
/// Reply: {}, also when it changes nothing. kNotFound for a node that never said Hello.
struct ChangeNode {
  NodeId node;
  NodeVerb verb = NodeVerb::kCordon;
  std::string reason;  ///< for people
};
/// A line of an attempt's output that a rule of its sweep's on_log matches. Told before the LogStored that covers
/// the line, and before an Exited of the attempt from that node; repeats change nothing.
struct LogMatched {
  NodeId node;
  AttemptEpoch epoch;
  std::string log;  ///< "0.out"
  int rule = 0;
  std::string line;  ///< any bytes
};
struct FromNode {
  NodeId node;
  wire::Message message;
};
/// The node's connection is gone: no new work until it is heard again. Its lease goes on.
struct NodeLost {
  NodeId node;
};
/// At least every 200 ms.
struct Tick {};
/// Answers StoreMetrics. kInvalid is the trial's own fault and fails it; any other error makes the agent
/// send the records again.
struct StoreMetricsDone {
  std::int64_t token = 0;
  Status status;
};
/// Answers StoreLog: bytes below `end` of that log are kept.
struct LogStored {
  NodeId node;
  AttemptEpoch epoch;
  std::string log;  ///< "0.out"
  std::int64_t end = 0;
};
struct TrackedMetric {
  std::string key;
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  std::int64_t attempt = 0;  ///< epoch of who wrote it; 0: somebody without a token
  int rank = -1;             ///< whose it is; -1: the run's own
};
/// Where a rank of a gang runs.
struct RankPlace {
  int rank = 0;
  NodeId node;
  int gpu = -1;  ///< its number on the node; -1: none
};
/// Metrics of a run that are durable in the tracker and did not come from StoreMetrics. Those of another
/// attempt than the live one do not count. At start the host repeats those
/// of every run with a live attempt; repeats change nothing.
struct TrackedMetrics {
  RunId run;
  std::vector<TrackedMetric> metrics;
};
/// A node's agent was not understood, and told so; it may say Hello in another protocol yet.
struct NodeNotUnderstood {
  NodeId node;
  std::string why;  ///< for people
};
/// A command was applied (`error` empty) or can never be. `result` of CreateRun: {"experiment_id": "..."};
/// of PromoteModel: a wire::PromotionSummary.
struct OutboxDone {
  std::string id;
  std::string error;
  boost::json::object result;
};

/// Reply: {}. kInvalid as of wire::CheckPoolSpec.
struct SetPool {
  wire::PoolSpec spec;
};
enum class PoolVerb { kPause, kResume, kRemove };
/// Removing gives back what waits; what runs goes on to its end. Reply: {}. kNotFound.
struct ChangePool {
  std::string pool;
  PoolVerb verb = PoolVerb::kPause;
  std::string reason;  ///< for people
};
/// What a batch system says of an allocation; repeats change nothing.
struct AllocationTold {
  enum class State { kWaiting, kRunning, kEnded };
  AllocationId allocation;
  State state = State::kWaiting;
  UnixMillis ends_ms = 0;  ///< when its time is over; 0: not known
  int restarts = 0;
  std::string words;
  std::string job{};  ///< as in AllocationEnded, and the next
  bool counted = false;
};

using Input = std::variant<
    SubmitSweep, ChangeSweep, StopTrial, RetryTrial, FromNode, NodeLost, Tick, StoreMetricsDone,
    LogStored, TrackedMetrics, OutboxDone, SetQuota, ChangeNode, LogMatched, EnqueueTrial,
    WidenSpace, SetPool, ChangePool, AllocationTold, NodeNotUnderstood,
    AllocationUsed>;  // the event, of an allocation of UncountedView; repeats change nothing

// --- effects ----------------------------------------------------------------------------------------

struct Send {
  NodeId node;
  wire::Message message;
};
/// Make these durable in the tracker; answered by StoreMetricsDone with the token, once.
struct StoreMetrics {
  std::int64_t token = 0;
  RunId run;
  AttemptEpoch epoch;
  std::vector<TrackedMetric> metrics;
  std::vector<RankPlace> places;  ///< of the ranks that metrics are of
};
/// Bytes [begin, ...) of one rank's output (`data` is base64); bytes that are kept already are skipped, a
/// chunk beyond the end of what is kept is dropped. Answered by LogStored with what is kept then.
struct StoreLog {
  NodeId node;
  TrialId trial;
  AttemptEpoch epoch;
  std::string log;  ///< "0.out"
  std::int64_t begin = 0;
  std::string data;
};
/// Carry out the command until it is done; answered by OutboxDone. May be given again after a restart.
struct RunCommand {
  std::string id;
  Command command;
};
using Action = std::variant<StoreMetrics, StoreLog, RunCommand>;

/// Nothing of it may be seen outside before `events` are durable.
struct Effects {
  std::vector<Event> events;
  std::vector<Send> sends;
  std::vector<Action> actions;
  Result<boost::json::object> reply = boost::json::object();  ///< to whoever asked, if someone did
};

}  // namespace muster::coordinator
