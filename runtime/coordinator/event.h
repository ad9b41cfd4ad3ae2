#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/wire/messages.h"
#include "runtime/wire/pool_spec.h"
#include "runtime/wire/sweep_spec.h"

/// What happened, as it is written down. The events in their order are the coordinator's database; state
/// and tables are derived from them. README of this folder describes their JSON; members may be added,
/// never renamed or given another meaning.

namespace muster::coordinator {

enum class SweepPhase { kRunning, kPaused, kPromoting, kComplete, kFailed, kCancelled };
/// kRunning: one attempt lives, which alone may commit the trial's result.
/// kPaused: it stands at a rung with a checkpoint and without slots, until its sweep's scheduler lets it go on.
enum class TrialPhase { kWaiting, kRunning, kPaused, kComplete, kPruned, kFailed, kCancelled };
/// Which retry budget an attempt's end counts against.
enum class Charge { kNothing, kInfra, kUser, kOom, kNode, kPreempt, kWalltime, kHang, kFenced };

[[nodiscard]] constexpr bool IsFinal(SweepPhase phase) { return phase >= SweepPhase::kComplete; }
[[nodiscard]] constexpr bool IsFinal(TrialPhase phase) { return phase >= TrialPhase::kComplete; }

// --- commands to other databases, sent until they are done ------------------------------------------

struct CreateRun {
  RunId run;
  TrialId trial;
  std::string experiment;  ///< by name; made when it does not exist
  std::string name;        ///< of the run
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> tags;
};
struct FinishRun {
  RunId run;
  std::string status;                       ///< FINISHED, FAILED, KILLED
  std::map<std::string, std::string> tags;  ///< as of TagRun
};
/// What a trial has cost (use.h), where that was not known when its run was finished, or is more by now.
struct TagRun {
  RunId run;
  std::map<std::string, std::string> tags;
};
/// Points of attempts before `epoch` with a step beyond `step` are to be hidden.
struct ResumeRun {
  RunId run;
  AttemptEpoch epoch;
  std::int64_t step = 0;
};
/// The sweep has ended: put its best model through the gates of `spec.model`.
struct PromoteModel {
  SweepId sweep;
  TrialId trial;
  RunId run;
  std::string checkpoint;    ///< path of the best one; empty when the trial published none
  std::string params_json;   ///< the trial's MUSTER_PARAMS
  boost::json::object spec;  ///< as wire::SweepSpecFromJson reads it
  std::string user{};        ///< who asked for the sweep; empty: nobody said
};
/// Nothing will start from these any more: folders below the checkpoint root, to be deleted (checkpoints.h).
struct DropCheckpoints {
  RunId run;
  TrialId trial;
  std::vector<std::string> folders;
};
/// Ask a pool's batch system for `allocations`, which are alike. Done when it has taken the request, with {"job": its
/// id}; asked again, the request that was taken is found by its key.
struct SubmitAllocations {
  std::string pool;
  std::string key;   ///< of the request; the first allocation's id
  std::string name;  ///< for people
  std::vector<AllocationId> allocations;
  int nodes = 1, slots = 1, gpus = 0;  ///< slots and GPUs of a node
  std::int64_t memory_bytes = 0;       ///< of a node; 0: what the site gives
  std::int64_t time_seconds = 0;
  std::int64_t warn_seconds = 0;              ///< before the end of the time its agents are told
  std::map<std::string, std::string> labels;  ///< that the nodes have
  boost::json::object site;
};
/// Give an allocation back, whatever it does.
struct CancelAllocation {
  std::string pool;
  std::string key;
  int task = 0;  ///< its place in the request
  AllocationId allocation;
  boost::json::object site;
};
using Command = std::variant<CreateRun, FinishRun, ResumeRun, PromoteModel, DropCheckpoints,
                             SubmitAllocations, CancelAllocation, TagRun>;

// --- events -----------------------------------------------------------------------------------------

struct CoordinatorStarted {
  CoordinatorEpoch epoch;
};
/// A node said Hello for the first time, or with another shape.
struct NodeSeen {
  NodeId node;
  std::string host;
  int slots = 0;
  int gpus = 0;
  std::vector<std::int64_t> gpu_memory;
  std::map<std::string, std::int64_t> resources;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> limits;  ///< as in wire::Hello
  bool remote_start = false;                  ///< the same
};
struct SweepSubmitted {
  SweepId sweep;
  wire::SweepSpec spec;
  std::string user;  ///< who asked for it; empty: nobody said
  std::vector<wire::ImportedTrial>
      imported;  ///< of the sweeps of spec.warm_start, as they were then
};
/// The sweep searches on in a wider space, in which every earlier trial still lies.
struct SpaceWidened {
  SweepId sweep;
  boost::json::object space;
  std::vector<std::string> constraints;
};
/// A person chose the parameters of a coming trial.
struct TrialEnqueued {
  SweepId sweep;
  boost::json::object params;
};
/// From now on the user's gangs hold at most these amounts together ("cpu", "gpu" in thousandths, "memory",
/// ...); what is not named is not bounded. Empty: no bounds.
struct QuotaSet {
  std::string user;
  std::map<std::string, std::int64_t> most;
};
enum class SweepChange {
  kPaused,
  kResumed,
  kCancelled,  ///< nothing new starts; it ends when the last slot is free
  kTimeUp,     ///< the same, and the best trial is still promoted
  kExhausted,  ///< the sampler has no unseen point left
};
struct SweepChanged {
  SweepId sweep;
  SweepChange change = SweepChange::kPaused;
  std::string message;
};
/// All trials have ended; `trial` is the best one.
struct SweepPromoting {
  SweepId sweep;
  TrialId trial;
};
struct SweepEnded {
  SweepId sweep;
  SweepPhase phase = SweepPhase::kComplete;
  std::string message;
};
/// The checkpoint that a trial begins with.
struct Origin {
  TrialId trial;
  std::int64_t step = 0;
  /// The attempt that published the checkpoint and kept a copy of it. 0: the donor publishes none, so the clone
  /// starts from its folder as it is then; at step 0 from its parameters alone.
  AttemptEpoch kept;
};
struct TrialCreated {
  TrialId trial;
  SweepId sweep;
  std::int64_t number = 0;
  boost::json::object params;
  RunId run;
  std::int64_t history_position = 0;  ///< tuner::History::position() that the sampler saw
  std::string by;                     ///< tuner::Suggestion::by; "enqueued", "clone"
  int search_version = 0;      ///< tuner::kSearchVersion; 0: before suggestions could be verified
  std::optional<Origin> from;  ///< of a clone
};
/// Its sweep's scheduler lets others go first: its live attempt is asked to save a checkpoint and end.
struct TrialPaused {
  TrialId trial;
  std::int64_t step = 0;
};
/// It goes back to the queue, once its attempt has ended.
struct TrialResumed {
  TrialId trial;
};
/// The trial has ended. With an epoch: only if that attempt is the trial's live one (compare-and-swap).
struct TrialEnded {
  TrialId trial;
  AttemptEpoch epoch;
  TrialPhase phase = TrialPhase::kComplete;
  std::optional<double> value;
  std::string message;
  std::optional<wire::ExitCause> cause;  ///< of a failure
};
/// A failed or cancelled trial goes back to the queue with fresh retry budgets.
struct TrialRetried {
  TrialId trial;
};
/// What a gang holds on one node: its ranks from `first_rank` on.
struct Placement {
  NodeId node;
  int first_rank = 0;
  int ranks = 1;
  std::vector<int> slots;
  std::vector<wire::DeviceShare> devices;
};
struct AttemptStarted {
  AttemptEpoch epoch;
  TrialId trial;
  std::vector<Placement> places;  ///< by first_rank
  std::string token;
  std::string start_secret;  ///< of a gang that mpirun spreads over nodes (wire::Prepare)
  // Before gangs could spread over nodes, `places` was these.
  NodeId node;
  std::vector<int> slots;
  int gpus = 0;
};
/// One node is ready; an empty name is the first node's, here and below. When all are, Go is sent.
struct AttemptPrepared {
  AttemptEpoch epoch;
  NodeId node;
  std::string address;
  int port = 0;
};
struct AttemptRunning {
  AttemptEpoch epoch;
  NodeId node;
};
/// One node's part of the gang has ended while others are left; its slots are free.
struct MemberEnded {
  AttemptEpoch epoch;
  NodeId node;
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;
  int exit_code = 0;
  std::optional<wire::ResourceUse> used;  ///< by this part
};
/// The attempt is to be stopped. `cause` is set when that is the verdict on it (it never got ready, ...).
struct StopDecided {
  AttemptEpoch epoch;
  wire::StopReason reason = wire::StopReason::kCancelled;
  std::optional<wire::ExitCause> cause;
  std::string message;
};
struct AttemptEnded {
  AttemptEpoch epoch;
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;
  Charge charge = Charge::kNothing;
  int exit_code = 0;         ///< of the first rank that failed; 128 + signal
  bool by_rule = false;      ///< a rule of on_log says that it counts against no budget
  bool blames_node = false;  ///< it looks as if the node were broken ...
  NodeId node;               ///< ... this one, where the first part failed; empty: the gang's first
  std::optional<wire::ResourceUse> used;  ///< by the part that ended last
};
struct ObjectiveReport {
  std::int64_t step = 0;
  std::int64_t timestamp_ms = 0;
  double value = 0;
};
struct Checkpoint {
  std::string path;
  std::int64_t step = 0;
  std::optional<double> value;  ///< of the objective
  bool kept = false;            ///< a copy is there for clones
};
/// What metrics said, through the attempt's spool (`records_end` grows) or through the tracker (it stays).
struct Reported {
  AttemptEpoch epoch;
  NodeId node;
  std::int64_t records_end = 0;
  std::optional<std::int64_t> resumed_after;  ///< step
  std::vector<ObjectiveReport> reports;
  std::map<std::string, double> metrics;  ///< the newest of each name
  std::int64_t step = 0;
  std::int64_t total_steps = 0;
  std::vector<Checkpoint> checkpoints;
  std::optional<std::string> result_checkpoint;  ///< set by a kResult record
};
/// Something about a living attempt that people should know (wire::Notice). Adds, changes nothing.
struct Noticed {
  AttemptEpoch epoch;
  NodeId node;
  wire::NoticeKind kind = wire::NoticeKind::kHang;
  std::int64_t number = 0;
  std::string text;
};
struct OutboxAdded {
  std::string id;  ///< 32 hexadecimal digits; the receiver applies each once
  Command command;
};
struct OutboxFinished {
  std::string id;
  std::string error;  ///< it can never be done; empty: done
  boost::json::object result;
};

enum class NodeChange {
  kCordoned,    ///< gets no new work
  kDrained,     ///< the same, and what runs there is stopped to go on elsewhere
  kExcluded,    ///< the same as kCordoned, for a fault
  kUncordoned,  ///< gets work again, from sweeps whose on_log rules excluded it, too
};
/// By a person, or by muster itself (`automatic`). A lesser change of a node leaves a greater one in force.
struct NodeChanged {
  NodeId node;
  NodeChange change = NodeChange::kCordoned;
  std::string reason;
  bool automatic = false;
};
/// A line of an attempt's output matched a rule of its sweep's on_log; each fires once an attempt.
struct LogRuleFired {
  AttemptEpoch epoch;
  int rule = 0;     ///< its place in on_log
  NodeId node;      ///< whose rank printed it
  std::string log;  ///< "0.out"
  std::string line;
  bool excludes_node = false;  ///< the sweep uses `node` no more
};

/// A pool was made, or is another from now on.
struct PoolSet {
  wire::PoolSpec spec;
};
enum class PoolChange {
  kPaused,  ///< nothing more is asked of it
  kResumed,
  kRemoved,  ///< it goes when its last allocation has ended
};
/// By a person, or by muster itself (`automatic`).
struct PoolChanged {
  std::string pool;
  PoolChange change = PoolChange::kPaused;
  std::string reason;
  bool automatic = false;
};
struct AllocationAsked {
  AllocationId allocation;
  std::string pool;
  SweepId sweep;  ///< of a job: whose trial it is for; empty: any sweep's
  std::string key;
  int task = 0;
  int nodes = 1, slots = 1, gpus = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t time_seconds = 0;
};
/// What the batch system says of it.
struct AllocationSeen {
  AllocationId allocation;
  bool running = false;  ///< else it waits, anew after a requeue
  UnixMillis ends_ms = 0;
  int restarts = 0;
  std::string words;  ///< the system's own
};
/// It gets no more work, and ends when what runs there has.
struct AllocationLeft {
  AllocationId allocation;
  std::string reason;
};
/// Its job is over, or was never taken.
struct AllocationEnded {
  AllocationId allocation;
  std::string message;
  bool failed = false;   ///< no node of it ever joined
  std::string job;       ///< the batch system's name for it, where it told one
  bool counted = false;  ///< what it cost can be asked for: AllocationUsed follows
};
/// What an allocation that has ended has cost, all its starts together, as its batch system counts; absent members:
/// it does not, or had not by the time that it was last asked.
struct AllocationUsed {
  AllocationId allocation;
  std::optional<double> cpu_seconds, gpu_seconds, joules;
};
/// A node says that it will be taken away; or (`back`) a new start of its agent, that it was not.
struct NodeLeft {
  NodeId node;
  bool back = false;
  std::string reason;
};
/// A node of an allocation that has ended; nothing runs there.
struct NodeForgotten {
  NodeId node;
};

using EventBody =
    std::variant<CoordinatorStarted, NodeSeen, SweepSubmitted, SweepChanged, SweepPromoting,
                 SweepEnded, TrialCreated, TrialEnded, TrialRetried, AttemptStarted,
                 AttemptPrepared, AttemptRunning, StopDecided, AttemptEnded, Reported, OutboxAdded,
                 OutboxFinished, MemberEnded, QuotaSet, Noticed, NodeChanged, LogRuleFired,
                 TrialPaused, TrialResumed, TrialEnqueued, SpaceWidened, PoolSet, PoolChanged,
                 AllocationAsked, AllocationSeen, AllocationLeft, AllocationEnded, NodeLeft,
                 NodeForgotten, AllocationUsed>;

struct Event {
  UnixMillis unix_ms = 0;
  EventBody body;
};

/// "trial_created", ...
std::string_view EventName(const EventBody& body);
/// The body as JSON text; its name and time stand beside it.
std::string EncodeEvent(const EventBody& body);
/// kCorrupt for an unknown name or a malformed body.
Result<EventBody> DecodeEvent(std::string_view name, std::string_view json);

/// {"type": "create_run", ...}
std::string EncodeCommand(const Command& command);
std::string_view CommandName(const Command& command);
/// Commands of one run are given out in their order, and those of one request to a batch system, by its key.
RunId RunOf(const Command& command);
Result<Command> CommandFromJson(const boost::json::object& json);

}  // namespace muster::coordinator
