#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "runtime/coordinator/input.h"
#include "runtime/coordinator/mutation.h"
#include "runtime/coordinator/state.h"

/// The state machine of sweeps, trials, attempts, gangs, slots, leases and the queue. No thread, socket,
/// clock or file: a host (a thread in the daemon, the simulator in tests) hands it inputs and times and
/// carries out what comes back.
///
/// A turn of the host:
///   1. `Step(input)` for each input that waits, then `Settle` once: sampling and scheduling look at what all of
///      them changed. The state has moved already; nobody has been told.
///   2. One journal transaction with the events of all of them. If it fails, the host stops: this object
///      is ahead of the disk and must be thrown away.
///   3. Only then sends, actions and replies, in their order.
/// The next turn's 1 may come before this one's 2 has ended; its 2 and 3 come after this one's.
/// At start: `Apply` every event of the journal, then `Start`, then a turn's 2 and 3.
///
/// One attempt, seen from here (the agent's half is at the head of runtime/agent/agent.h):
///   a. The trial's run exists in the tracker (outbox), and all that the gang needs is free, on one node or
///      on as many as it may spread over.
///   b. AttemptStarted is committed with a new epoch, then Prepare is sent to each of its nodes until
///      Prepared comes. What it holds, it holds from here on: gangs never wait for each other.
///   c. When AttemptPrepared of all nodes is committed, Go is sent until Started (or a record) comes. If one
///      node cannot, all are aborted.
///   d. Records in spool order: metrics to the tracker (StoreMetrics), then Reported is committed, then Ack.
///      A kResult record commits the trial's result if this attempt is the live one.
///   e. StopDecided is committed, then Abort (before Go) or Stop is sent until the attempt has exited.
///   f. Exited: MemberEnded, or of the last node AttemptEnded, is committed, which frees the node's slots,
///      then Forget. A part that ends without success ends the others. Without Exited the slots are free
///      only when the node was silent for lease + margin, by when the agent has killed everything.
/// What has no live attempt (anymore) is fenced: Records get Stop(kFenced) and no Ack, Exited gets Forget,
/// Prepared gets Abort. An agent answers Go, Abort and Stop of an epoch it does not know with
/// Exited{started: false}. A node is heard only after its Hello to this coordinator epoch.

namespace muster::coordinator {

struct Config {
  std::string tracking_uri;                      ///< MLFLOW_TRACKING_URI of the ranks
  std::string checkpoint_root;                   ///< a trial's checkpoints lie in <root>/<trial id>
  std::string checkpoint_store, checkpoint_url;  ///< as in wire::Prepare
  std::int64_t lease_ms = 10'000;
  std::int64_t lease_margin_ms = 4'000;  ///< for the agent to kill and for clocks to differ
  std::int64_t torpid_ms = 3'000;        ///< silent for so long: no new work
  std::int64_t heartbeat_ms = 1'000;
  std::int64_t resend_ms = 1'000;  ///< doubled each time ...
  std::int64_t resend_most_ms = 8'000;
  std::int64_t prepare_timeout_ms = 60'000;
  /// ... where a checkpoint may have to be brought first. The node gives up much sooner when nothing comes.
  std::int64_t bring_timeout_ms = 3'600'000;
  std::int64_t go_timeout_ms = 60'000;
  std::int64_t grace_ms = 10'000;       ///< between SIGTERM and SIGKILL of a stopped attempt
  std::int64_t retry_delay_ms = 1'000;  ///< after an infra failure, doubled each time ...
  std::int64_t retry_delay_most_ms = 30'000;
  int blame_limit = 3;  ///< trials in a row that failed as if their node were broken exclude it
  std::int64_t blame_within_ms = 60'000;  ///< ... by ending with node or infra so soon
  int pool_failures_most = 5;             ///< allocations in a row without a node pause their pool
  int most_by_rule = 10;                  ///< attempts of a trial that on_log rules leave uncounted
  /// n bytes as 2n hexadecimal digits: tokens, the larger part of run ids and outbox ids.
  std::function<std::string(std::size_t bytes)> random_hex;
  std::function<Result<tuner::Search>(const tuner::SearchSpec&)> make_search;

  Mutation mutation = Mutation::kNone;  ///< for the simulator's tests only

  /// With the tuner's samplers and schedulers and the operating system's entropy.
  static Config Default();
};

/// Who holds a token.
struct TokenOwner {
  AttemptEpoch epoch;
  RunId run;
  bool live = false;  ///< false: writes with this token are fenced
};

class Coordinator {
 public:
  explicit Coordinator(Config config);
  ~Coordinator();
  Coordinator(Coordinator&&) noexcept;
  Coordinator& operator=(Coordinator&&) noexcept;

  /// Replays one event of the journal; before Start.
  void Apply(const Event& event);
  /// Begins a new coordinator epoch; gives out what the outbox still holds.
  Effects Start(MonotonicTime now, UnixMillis unix_now);
  /// Takes one input. `now` never decreases.
  Effects Step(const Input& input, MonotonicTime now, UnixMillis unix_now);
  /// Makes trials, gives out slots and ends sweeps, as far as the inputs since the last time allow.
  Effects Settle(MonotonicTime now, UnixMillis unix_now);

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const Config& config() const { return config_; }
  /// What a promotion of a trial is asked with.
  static PromoteModel PromoteModelOf(const Sweep& sweep, const Trial& trial);
  [[nodiscard]] std::optional<TokenOwner> AttemptOf(const std::string& token) const;

  /// What a restart forgets about a node.
  struct NodeWatch {
    bool welcomed = false;  ///< has said Hello to this coordinator epoch
    bool connected = false;
    const Node* node = nullptr;  ///< in the state
    std::int64_t incarnation = 0;
    MonotonicTime heard{};
    UnixMillis heard_unix = 0;
  };
  /// Null for a node that was never seen.
  [[nodiscard]] const NodeWatch* WatchOf(const NodeId& node) const;
  /// When a trial whose attempt failed may start again; nullopt: it does not wait for that.
  [[nodiscard]] std::optional<MonotonicTime> RetryAt(const TrialId& trial) const;
  /// Takes new gangs now.
  [[nodiscard]] bool IsUsable(const NodeId& node, MonotonicTime now) const;
  [[nodiscard]] bool IsUsable(const NodeWatch& watch, MonotonicTime now) const;

 private:
  struct Turn;          // one Step: the times, and the effects gathered so far
  struct AttemptWatch;  // timers and batches under way of a live attempt

  [[nodiscard]] bool Mutated(Mutation mutation) const { return config_.mutation == mutation; }
  // coordinator.cc
  [[nodiscard]] std::string NewId(const Turn& turn) const;
  void Emit(Turn& turn, EventBody body);
  void SettleTurn(Turn& turn);
  tuner::Search& SearchOf(const Sweep& sweep);
  // coordinator_submit.cc: what people ask for
  void On(Turn& turn, const SubmitSweep& input);
  void On(Turn& turn, const ChangeSweep& input);
  void On(Turn& turn, const StopTrial& input);
  void On(Turn& turn, const RetryTrial& input);
  void On(Turn& turn, const EnqueueTrial& input);
  void On(Turn& turn, const WidenSpace& input);
  void On(Turn& turn, const SetQuota& input);
  // coordinator_admin.cc: nodes are taken out of work and back, by people or for their faults
  void On(Turn& turn, const ChangeNode& input);
  void Drain(Turn& turn, const Node& node, const std::string& reason);
  [[nodiscard]] bool BlamesNode(const Turn& turn, const Attempt& attempt,
                                wire::ExitCause cause) const;
  void ExcludeIfBlamed(Turn& turn, const NodeId& id, const std::string& last);
  [[nodiscard]] bool HasRoomBeside(const NodeId& node, const GangShape& shape,
                                   MonotonicTime now) const;
  // coordinator_pool.cc: nodes that a batch system lends
  struct AllocationWatch;  // what a restart forgets of one
  void On(Turn& turn, const SetPool& input);
  void On(Turn& turn, const ChangePool& input);
  void On(Turn& turn, const AllocationTold& input);
  void On(Turn& turn, const NodeNotUnderstood& input);
  UnixMillis EndOf(const Turn& turn, const Allocation& allocation, const AllocationTold& told);
  void OnLeaving(Turn& turn, const NodeId& node, const wire::Leaving& leaving);
  [[nodiscard]] bool IsPast(const NodeId& node) const;
  void ComeBack(Turn& turn, const Node& node);
  void RefusedAllocations(Turn& turn, const SubmitAllocations& asked, const std::string& why);
  void On(Turn& turn, const AllocationUsed& input);
  void EndAllocation(Turn& turn, const Allocation& allocation, const AllocationTold& told);
  void LeaveAllocation(Turn& turn, const Allocation& allocation, const std::string& reason);
  void TendAllocation(Turn& turn, const Allocation& allocation, std::map<SweepId, int>& left);
  void TendLeaving(Turn& turn, const Allocation& allocation, bool busy);
  void ForgetNodes(Turn& turn);
  void TendPools(Turn& turn);
  // coordinator_ask.cc: how many nodes are asked for
  void AskForPilots(Turn& turn, const Pool& pool);
  void AskForJobs(Turn& turn, const Pool& pool);
  [[nodiscard]] int MayAsk(const Turn& turn, const Pool& pool) const;
  /// `left`: by sweep, and of all by an empty id, what this tick's allocations before it have left.
  [[nodiscard]] bool IsWanted(const Allocation& allocation, std::map<SweepId, int>& left) const;
  void Ask(Turn& turn, const Pool& pool, const Sweep* sweep, const AllocationAsked& each,
           int count);
  // coordinator_policy.cc: trial.time and on_log
  [[nodiscard]] std::optional<MonotonicTime> TimeLimit(const Turn& turn,
                                                       const Attempt& attempt) const;
  void StopForTime(Turn& turn, const Attempt& attempt);
  void On(Turn& turn, const LogMatched& input);
  // coordinator_node.cc: nodes come, go and fall silent
  void On(Turn& turn, const FromNode& input);
  void On(Turn& turn, const NodeLost& input);
  void OnHello(Turn& turn, const NodeId& node, const wire::Hello& hello);
  void LoseSilentNodes(Turn& turn);
  void EndOlderParts(Turn& turn);
  // coordinator_start.cc: Prepare, Go, Stop and their repetition
  void OnPrepared(Turn& turn, const NodeId& node, const wire::Prepared& prepared);
  void OnStarted(Turn& turn, const NodeId& node, const wire::Started& started);
  void On(Turn& turn, const Tick& input);
  void SendNext(Turn& turn, const Attempt& attempt);
  void Decide(Turn& turn, const Attempt& attempt, StopDecided stop);
  void MarkRunning(Turn& turn, const Attempt& attempt, const NodeId& node);
  void SendPrepares(Turn& turn, const Attempt& attempt);
  [[nodiscard]] std::int64_t PrepareTimeout(const Attempt& attempt) const;
  void LimitTime(Turn& turn, const Sweep& sweep);
  void StopLateSweeps(Turn& turn);
  void StopAll(Turn& turn, const Sweep& sweep, wire::StopReason reason, const std::string& message);
  // coordinator_records.cc
  void OnRecords(Turn& turn, const NodeId& node, const wire::Records& records);
  void OnLog(Turn& turn, const NodeId& node, const wire::LogChunk& chunk);
  void On(Turn& turn, const StoreMetricsDone& input);
  void OnNotice(Turn& turn, const NodeId& node, const wire::Notice& notice);
  void On(Turn& turn, const LogStored& input);
  void On(Turn& turn, const TrackedMetrics& input);
  void TakeStored(Turn& turn, AttemptEpoch epoch, const NodeId& node);
  void Accept(Turn& turn, const Attempt& attempt, Reported reported, std::optional<double> result);
  void AskScheduler(Turn& turn, const Attempt& attempt);
  // coordinator_exit.cc
  void OnExited(Turn& turn, const NodeId& node, const wire::Exited& exited);
  void EndMember(Turn& turn, const Attempt& attempt, MemberEnded end);
  void EndAttempt(Turn& turn, const Attempt& attempt, wire::ExitCause cause, std::string message,
                  int exit_code, const std::optional<wire::ResourceUse>& used);
  void CompleteTrial(Turn& turn, const Trial& trial, AttemptEpoch epoch,
                     std::optional<double> value);
  void EndTrial(Turn& turn, const Trial& trial, AttemptEpoch epoch, TrialPhase phase,
                std::optional<double> value, std::string message,
                std::optional<wire::ExitCause> cause = {});
  void RetryOrFail(Turn& turn, const Attempt& attempt, AttemptEnded end);
  void FinishRunOf(Turn& turn, const Trial& trial);
  void EndSweepWhenDone(Turn& turn, const Sweep& sweep);
  // coordinator_schedule.cc
  [[nodiscard]] std::vector<Room> UsableRooms(MonotonicTime now) const;
  void AddTrials(Turn& turn, const Sweep& sweep, const std::vector<Room>& rooms);
  bool AddTrial(Turn& turn, const Sweep& sweep);
  void EndPaused(Turn& turn, const Sweep& sweep);
  void Schedule(Turn& turn, std::vector<Room> rooms);
  [[nodiscard]] const Trial* FirstReady(const Sweep& sweep) const;
  void StartAttempt(Turn& turn, const Trial& trial, const std::vector<Part>& parts);
  // coordinator_checkpoints.cc
  [[nodiscard]] static std::optional<Origin> OriginOf(const Sweep& sweep,
                                                      const tuner::Asked::Origin& from);
  void CheckKept(const Sweep& sweep, const Trial& trial, Reported& reported);
  void DropCheckpoints(Turn& turn, const Sweep& sweep, bool over);
  // coordinator_backfill.cc
  /// Nodes kept for gangs that wait, and when each will have room at the latest.
  using KeptRooms = std::map<NodeId, MonotonicTime>;
  [[nodiscard]] std::optional<MonotonicTime> RoomBy(const Turn& turn, const Node& node,
                                                    const GangShape& shape, int ranks) const;
  [[nodiscard]] std::vector<Room> WithLentRooms(const Turn& turn, const Sweep& sweep,
                                                std::vector<Room> rooms,
                                                const KeptRooms& kept) const;
  void KeepRooms(const Turn& turn, const GangShape& shape, UnixMillis until,
                 std::vector<Room>& rooms, KeptRooms& kept) const;
  // coordinator_preempt.cc
  void Preempt(Turn& turn, const Sweep& sweep, const std::vector<Room>& rooms);
  // coordinator_outbox.cc
  static Command CreateRunOf(const Sweep& sweep, const Trial& trial);
  void AddCommand(Turn& turn, Command command);
  void QueueCommand(Turn& turn, const OutboxEntry& entry);
  [[nodiscard]] bool AsksForRun(const RunId& run) const;
  void On(Turn& turn, const OutboxDone& input);

  Config config_;
  State state_;
  std::map<NodeId, NodeWatch> nodes_;
  MonotonicTime none_lost_before_{};  // for silence
  std::map<AttemptEpoch, AttemptWatch> attempts_;
  std::map<AllocationId, AllocationWatch> allocations_;
  /// Parts of attempts that an older start of a lent node's agent has, and when that was heard last.
  std::map<std::pair<AttemptEpoch, NodeId>, MonotonicTime> older_;
  std::map<SweepId, tuner::Search> searches_;
  std::map<SweepId, std::size_t> turns_since_drop_;
  std::map<TrialId, MonotonicTime> not_before_;  // delayed retries
  std::map<SweepId, MonotonicTime>
      time_up_at_;  // of open sweeps with a time limit that have started
  // tokens of StoreMetrics under way
  std::map<std::int64_t, std::pair<AttemptEpoch, NodeId>> stores_;
  std::int64_t next_store_token_ = 1;
  std::map<RunId, std::deque<std::string>>
      run_commands_;  // of one run in order, the first under way
  // What sampling and scheduling have to look at again: all open sweeps, or only these.
  bool all_unsettled_ = false;
  std::set<SweepId> unsettled_;
};

}  // namespace muster::coordinator
