#pragma once

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/coordinator/event.h"
#include "runtime/coordinator/placement.h"
#include "runtime/coordinator/use.h"
#include "runtime/wire/sweep_spec.h"
#include "tuner/search.h"

/// What the events add up to. Everything here is durable: what a restart forgets (timers, connections,
/// batches under way) lives in `Coordinator`.

namespace muster::coordinator {

struct Report {
  std::int64_t step = 0;
  std::int64_t timestamp_ms = 0;
  double value = 0;
  AttemptEpoch epoch;
};

/// A copy of a trial's checkpoint folder, made when it published the checkpoint of `step`.
struct KeptCheckpoint {
  std::int64_t step = 0;
  AttemptEpoch epoch;
};

struct Trial {
  TrialId id;
  SweepId sweep;
  std::int64_t number = 0;
  tuner::Params params;
  std::string by;  ///< who suggested them
  std::optional<Origin> from;
  RunId run;
  std::string experiment_id;  ///< the tracker's, empty until it has told
  bool run_created = false;
  TrialPhase phase = TrialPhase::kWaiting;
  bool parked = false;  ///< its scheduler has paused it; its attempt may still be ending
  AttemptEpoch live;    ///< the attempt that holds slots; 0: none. Outlives `phase` until the exit.
  std::vector<AttemptEpoch> attempts;
  std::vector<Report> reports;  ///< of the objective, by step, the hidden ones left out
  std::optional<double> value;
  std::map<std::string, double> metrics;
  std::int64_t step = 0, total_steps = 0;
  std::optional<Checkpoint> checkpoint;  ///< the best by objective, else the newest
  std::map<Charge, int> charges;         ///< retries that were used up, of each budget
  int crashes = 0;                       ///< attempts that ended with the node
  int by_rule = 0;                       ///< attempts that an on_log rule left uncounted
  std::int64_t checkpoint_step = -1;     ///< the farthest
  std::vector<KeptCheckpoint> kept;      ///< what clones may start from, by step
  bool dropped = false;                  ///< its checkpoint folder was deleted ...
  bool dropping = false;                 ///< ... or is about to be: until then nothing starts
  UnixMillis created_ms = 0, started_ms = 0, ended_ms = 0;
  std::string message;

  [[nodiscard]] int failures(Charge charge) const {
    const auto found = charges.find(charge);
    return found == charges.end() ? 0 : found->second;
  }
};

struct FiredRule {
  int rule = 0;  ///< place in on_log
  std::string log;
  std::string line;
};

/// The gang's part on one node.
struct Member {
  Placement place;
  /// kPreparing, kPrepared, kRunning, kExited: then it holds nothing any more.
  wire::AttemptPhase phase = wire::AttemptPhase::kPreparing;
  std::string address;
  int port = 0;
  std::int64_t records_end = 0;
  UnixMillis ended_ms = 0;
  std::optional<wire::ResourceUse> used;

  [[nodiscard]] bool live() const { return phase != wire::AttemptPhase::kExited; }
};

struct Attempt {
  AttemptEpoch epoch;
  TrialId trial;
  std::vector<Member> members;  ///< one a node, by first rank
  std::string token;
  std::string start_secret;  ///< empty unless mpirun spreads it over nodes
  /// kPrepared: all members are. kRunning: all run or have ended.
  wire::AttemptPhase phase = wire::AttemptPhase::kPreparing;
  bool go_sent = false;                ///< ranks may exist
  std::optional<MemberEnded> failure;  ///< of the first member that failed; see SaysMore
  bool has_result = false;             ///< a kResult record was accepted
  bool resumed = false;                ///< it is known which points of earlier attempts it hides
  bool progressed = false;             ///< published a checkpoint beyond those of earlier attempts
  std::vector<FiredRule> fired;
  std::optional<StopDecided> stop;
  std::optional<wire::ExitCause> cause;  ///< set by the end
  std::string message;
  int exit_code = 0;  ///< of the first rank that failed
  UnixMillis created_ms = 0, started_ms = 0, ended_ms = 0;
  std::vector<Noticed> notices;   ///< by number
  UnixMillis saved_ms = 0;        ///< when it published its farthest checkpoint
  std::vector<std::string> jobs;  ///< of batch systems, that its nodes were of
  Use use;                        ///< once it has ended

  [[nodiscard]] bool live() const { return phase != wire::AttemptPhase::kExited; }
  [[nodiscard]] int living_members() const;
  /// The part on that node while it lives; null otherwise.
  [[nodiscard]] const Member* LiveMember(const NodeId& node) const;
  /// "n1" or "n1, n2".
  [[nodiscard]] std::string NodeNames() const;
};

struct Sweep {
  SweepId id;
  wire::SweepSpec spec;
  GangShape shape;  ///< of its gangs
  std::string user;
  SweepPhase phase = SweepPhase::kRunning;
  bool cancelled = false, time_up = false, exhausted = false;
  std::vector<Trial> trials;  ///< by number
  std::set<std::int64_t> waiting;
  int finished = 0;    ///< trials in a final phase
  int parked = 0;      ///< trials that their scheduler has paused
  int live = 0;        ///< trials that hold slots
  int slots_held = 0;  ///< by them
  tuner::History history;
  std::deque<tuner::Params> queue;  ///< of coming trials, chosen by people
  TrialId promoted_trial;
  boost::json::object promotion;  ///< the registry's answer (wire::PromotionSummary)
  UnixMillis created_ms = 0, started_ms = 0, ended_ms = 0;
  bool publishes = false;          ///< one of its trials has published a checkpoint
  std::set<std::int64_t> stored;   ///< pruned and paused trials whose checkpoint folders are there
  std::set<std::int64_t> keepers;  ///< trials of which copies are kept
  std::set<std::int64_t> unborn;   ///< clones whose own folders are not there yet
  Use use;                         ///< of ended attempts
  UnixMillis last_exit_ms = 0;
  std::map<NodeId, std::string> excluded_nodes;  ///< by an on_log rule, and why
  std::string message;

  /// No trial will be added any more.
  [[nodiscard]] bool full() const {
    return cancelled || time_up || exhausted ||
           static_cast<int>(trials.size()) >= spec.budget.trials;
  }
  /// Trials that run or wait for slots.
  [[nodiscard]] int busy() const { return static_cast<int>(trials.size()) - finished - parked; }
};

struct OutboxEntry {
  std::string id;
  std::int64_t sequence = 0;
  Command command;
};

/// Nodes that were asked of a batch system together, until their job is over.
struct Allocation {
  AllocationAsked asked;
  std::string job;  ///< the system's name; empty until it has taken it
  bool running = false;
  int restarts = 0;
  std::string words;
  UnixMillis ends_ms = 0;
  bool joined = false;   ///< a node of it has said Hello
  bool used = false;     ///< an attempt was started on it
  bool leaving = false;  ///< for `reason`
  std::string reason;
  UnixMillis asked_ms = 0, started_ms = 0;
  UnixMillis held_from_ms = 0;         ///< it has its nodes since then; 0: it waits
  std::int64_t held_ms = 0;            ///< of starts before
  std::int64_t busy_slot_ms = 0;       ///< of attempts that have ended
  std::vector<AttemptEpoch> attempts;  ///< that had nodes of it

  /// Slots x time.
  [[nodiscard]] std::int64_t HeldSlotMs(UnixMillis now) const {
    const std::int64_t held = held_from_ms == 0 ? 0 : std::max<std::int64_t>(0, now - held_from_ms);
    return (held_ms + held) * asked.nodes * asked.slots;
  }
  [[nodiscard]] NodeId NodeOf(int index) const {
    return NodeId(asked.allocation.value + "." + std::to_string(index));
  }
};

/// One that has ended, until it is known what it cost.
struct Uncounted {
  AllocationId allocation;
  std::string pool, key, job;
  boost::json::object site;
  std::vector<AttemptEpoch> attempts;
  UnixMillis ended_ms = 0;
};

struct Pool {
  struct Past {
    AllocationId allocation;
    std::string job, message;
    UnixMillis asked_ms = 0, started_ms = 0, ended_ms = 0;
    bool failed = false;
    std::int64_t slot_ms = 0, busy_slot_ms = 0;
  };
  static constexpr std::size_t kPastKept = 50;

  wire::PoolSpec spec;
  bool paused = false, removed = false;
  std::string reason;
  std::set<AllocationId> live;
  int failures = 0;  ///< in a row, allocations no node of which joined
  UnixMillis failed_ms = 0;
  std::deque<Past> past;          ///< the latest
  std::int64_t slot_ms = 0;       ///< slots x time, of allocations that have ended ...
  std::int64_t busy_slot_ms = 0;  ///< ... of attempts that have, on any
  std::optional<double> cpu_seconds, gpu_seconds, joules;  ///< sums of AllocationUsed
};

struct State {
  CoordinatorEpoch coordinator;
  AttemptEpoch newest_epoch;
  std::map<SweepId, Sweep> sweeps;
  std::set<SweepId> open;                 ///< sweeps that have not ended
  std::int64_t allocations_numbered = 0;  ///< the highest number that one of any pool had
  std::map<AttemptEpoch, Attempt> attempts;
  std::set<AttemptEpoch> live;  ///< attempts that hold slots
  std::map<int, std::set<AttemptEpoch>> live_by_priority;
  std::map<NodeId, Node> nodes;
  std::map<std::string, Pool> pools;
  std::map<AllocationId, Allocation> allocations;  ///< until they end
  std::map<AllocationId, Uncounted> uncounted;
  std::map<std::string, Amounts> users;         ///< what the gangs of each hold
  std::map<std::string, Amounts> quotas;        ///< the most they may
  std::map<std::string, OutboxEntry> outbox;    ///< by id, until they are done
  std::map<std::int64_t, std::string> pending;  ///< their ids by sequence
  std::int64_t next_sequence = 0;
  std::unordered_map<RunId, TrialId> runs;
  std::unordered_map<std::string, AttemptEpoch> tokens;

  /// Null when there is none.
  [[nodiscard]] const Sweep* FindSweep(const SweepId& id) const;
  [[nodiscard]] const Trial* FindTrial(const TrialId& id) const;
  [[nodiscard]] const Attempt* FindAttempt(AttemptEpoch epoch) const;
  [[nodiscard]] const Allocation* FindAllocation(const AllocationId& id) const;
  /// The allocation that a node's name says it is of, whether it is known or not; empty: of none of the pools.
  [[nodiscard]] AllocationId AllocationOf(const NodeId& node) const;
  /// Have all attempts on it ended, so that what it cost can be shared out?
  [[nodiscard]] bool CanBeCounted(const Uncounted& allocation) const;
  /// The best completed trial by objective, the earlier on a tie; null when none completed.
  [[nodiscard]] static const Trial* Best(const Sweep& sweep);
};

/// Whether the cause of a part of a gang counts, although another part that failed was heard of before. Ranks fail
/// within milliseconds of a peer that is gone, so what took the peer may be heard of later.
bool SaysMore(wire::ExitCause later, wire::ExitCause first);

/// Smaller is better; NaN is the worst.
double LossOf(double value, bool maximize);

/// Adds one event. An event that names what does not exist, or a result of an attempt that is not the
/// trial's live one, is a broken invariant of ours and aborts.
void ApplyEvent(State& state, const Event& event);

/// All of it as JSON, for comparing.
boost::json::value Dump(const State& state);

}  // namespace muster::coordinator
