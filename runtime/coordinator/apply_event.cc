#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "runtime/base/check.h"
#include "runtime/coordinator/checkpoints.h"
#include "runtime/coordinator/search_spec.h"
#include "runtime/coordinator/state.h"
#include "tuner/search.h"

namespace muster::coordinator {
namespace {

constexpr const char* kSpent = "it has its trial";  ///< why the node of a job takes no more

/// What the tuner is told. Only what the configuration did itself is a failure to learn from.
tuner::Outcome OutcomeOf(const TrialEnded& e, const wire::SweepSpec& spec,
                         const std::map<std::string, double>& metrics) {
  using tuner::TrialState;
  const auto cause = e.cause.value_or(wire::ExitCause::kUser);
  const bool own = cause == wire::ExitCause::kUser || cause == wire::ExitCause::kOom;
  switch (e.phase) {
    case TrialPhase::kComplete: {
      std::vector<double> values{e.value.value_or(NAN)};
      for (const auto& objective : spec.more_objectives) {
        const auto found = metrics.find(objective.metric);
        values.push_back(found == metrics.end() ? NAN : found->second);
      }
      return {TrialState::kComplete, std::move(values), {}};
    }
    case TrialPhase::kPruned:
      return {TrialState::kPruned, {}, {}};
    case TrialPhase::kFailed:
      return {own ? TrialState::kFailed : TrialState::kLost, {}, {}};
    default:
      return {TrialState::kLost, {}, {}};
  }
}

/// One place where an event changes the state, one overload an event.
class Applier {
 public:
  Applier(State& state, UnixMillis unix_ms) : state_(state), unix_ms_(unix_ms) {}

  void operator()(const CoordinatorStarted& e) { state_.coordinator = e.epoch; }

  void operator()(const NodeSeen& e) {
    Node& node = state_.nodes[e.node];
    node.id = e.node;
    node.host = e.host;
    node.slots = e.slots;
    node.devices.resize(static_cast<std::size_t>(e.gpus));
    for (std::size_t index = 0; index < node.devices.size(); ++index) {
      node.devices[index].memory_bytes = index < e.gpu_memory.size() ? e.gpu_memory[index] : 0;
    }
    node.resources = e.resources;
    node.labels = e.labels;
    node.limits = e.limits;
    node.remote_start = e.remote_start;
    const auto lent = state_.allocations.find(state_.AllocationOf(e.node));
    if (lent == state_.allocations.end()) return;
    Allocation& allocation = lent->second;
    Pool& pool = state_.pools.at(allocation.asked.pool);
    allocation.joined = true;
    if (allocation.held_from_ms == 0) allocation.held_from_ms = unix_ms_;
    pool.failures = 0;
    node.allocation = lent->first;
    node.only = allocation.asked.sweep;
    const bool spent = allocation.used && !node.only.empty();
    node.leaving = allocation.leaving || spent;
    node.leaving_why = allocation.leaving || !spent ? allocation.reason : kSpent;
    Bound(node, allocation);
  }

  void operator()(const PoolSet& e) {
    Pool& pool = state_.pools[e.spec.name];
    pool.spec = e.spec;
    pool.paused = pool.removed = false;
    pool.reason.clear();
    pool.failures = 0;
  }

  void operator()(const PoolChanged& e) {
    Pool& pool = state_.pools.at(e.pool);
    pool.paused = e.change == PoolChange::kPaused;
    pool.removed = pool.removed || e.change == PoolChange::kRemoved;
    pool.reason = e.reason;
    if (e.change == PoolChange::kResumed) pool.failures = 0;
    if (pool.removed && pool.live.empty()) state_.pools.erase(e.pool);
  }

  void operator()(const AllocationAsked& e) {
    Pool& pool = state_.pools.at(e.pool);
    const std::string& id = e.allocation.value;
    std::int64_t number = 0;
    std::from_chars(id.data() + id.rfind('-') + 1, id.data() + id.size(), number);
    state_.allocations_numbered = std::max(state_.allocations_numbered, number);
    pool.live.insert(e.allocation);
    Allocation& allocation = state_.allocations[e.allocation];
    allocation.asked = e;
    allocation.asked_ms = unix_ms_;
    if (!e.sweep.empty()) SweepAt(e.sweep).shape.sweep = e.sweep;
  }

  void operator()(const AllocationSeen& e) {
    Allocation& allocation = state_.allocations.at(e.allocation);
    allocation.running = e.running;
    allocation.restarts = e.restarts;
    allocation.words = e.words;
    allocation.ends_ms = e.ends_ms;
    if (e.running && allocation.started_ms == 0) allocation.started_ms = unix_ms_;
    if (e.running != (allocation.held_from_ms != 0)) {
      if (!e.running)
        allocation.held_ms += std::max<std::int64_t>(0, unix_ms_ - allocation.held_from_ms);
      allocation.held_from_ms = e.running ? unix_ms_ : 0;
    }
    ForNodes(allocation, [&](Node& node) { Bound(node, allocation); });
  }

  void operator()(const AllocationLeft& e) {
    Allocation& allocation = state_.allocations.at(e.allocation);
    allocation.leaving = true;
    allocation.reason = e.reason;
    ForNodes(allocation, [&](Node& node) {
      node.leaving = true;
      node.leaving_why = e.reason;
    });
  }

  void operator()(const AllocationEnded& e) {
    const auto found = state_.allocations.find(e.allocation);
    const Allocation& allocation = found->second;
    ForNodes(allocation, [](Node& node) { node.gone = true; });
    Pool& pool = state_.pools.at(allocation.asked.pool);
    const std::string& job = e.job.empty() ? allocation.job : e.job;
    const std::int64_t held = allocation.HeldSlotMs(unix_ms_);
    pool.slot_ms += held;
    pool.past.push_back({e.allocation, job, e.message, allocation.asked_ms, allocation.started_ms,
                         unix_ms_, e.failed, held, allocation.busy_slot_ms});
    if (e.counted) {
      state_.uncounted[e.allocation] = {e.allocation, pool.spec.name, allocation.asked.key,
                                        job,          pool.spec.site, allocation.attempts,
                                        unix_ms_};
    }
    if (pool.past.size() > Pool::kPastKept) pool.past.pop_front();
    if (e.failed) {
      pool.failures += 1;
      pool.failed_ms = unix_ms_;
    }
    pool.live.erase(e.allocation);
    if (pool.removed && pool.live.empty()) state_.pools.erase(allocation.asked.pool);
    state_.allocations.erase(found);
  }

  void operator()(const AllocationUsed& e) {
    const auto found = state_.uncounted.find(e.allocation);
    MUSTER_CHECK(found != state_.uncounted.end(), "what an allocation cost is told once");
    if (const auto pool = state_.pools.find(found->second.pool); pool != state_.pools.end()) {
      const auto add = [](std::optional<double>& sum, const std::optional<double>& more) {
        if (more) sum = sum.value_or(0) + *more;
      };
      add(pool->second.cpu_seconds, e.cpu_seconds);
      add(pool->second.gpu_seconds, e.gpu_seconds);
      add(pool->second.joules, e.joules);
    }
    if (e.joules) ShareOut(*e.joules, found->second);
    state_.uncounted.erase(found);
  }

  void operator()(const NodeLeft& e) {
    Node& node = state_.nodes.at(e.node);
    node.leaving = !e.back;
    node.leaving_why = e.back ? "" : e.reason;
  }

  void operator()(const NodeForgotten& e) { state_.nodes.erase(e.node); }

  void operator()(const SweepSubmitted& e) {
    Sweep& sweep = state_.sweeps[e.sweep];
    sweep.id = e.sweep;
    sweep.spec = e.spec;
    sweep.shape = ShapeOf(sweep.spec);
    sweep.user = e.user;
    sweep.history = tuner::History(GoalsOf(sweep.spec));
    for (const auto* imported : {&e.spec.imported, &e.imported}) {
      for (const wire::ImportedTrial& trial : *imported) Import(sweep, trial);
    }
    for (const auto& params : e.spec.enqueue) Enqueue(sweep, params);
    sweep.created_ms = unix_ms_;
    state_.open.insert(e.sweep);
  }

  void operator()(const QuotaSet& e) {
    if (e.most.empty()) {
      state_.quotas.erase(e.user);
    } else {
      state_.quotas[e.user] = e.most;
    }
  }

  void operator()(const SweepChanged& e) {
    Sweep& sweep = SweepAt(e.sweep);
    sweep.message = e.message;
    switch (e.change) {
      case SweepChange::kPaused:
        sweep.phase = SweepPhase::kPaused;
        break;
      case SweepChange::kResumed:
        sweep.phase = SweepPhase::kRunning;
        break;
      case SweepChange::kCancelled:
        sweep.cancelled = true;
        break;
      case SweepChange::kTimeUp:
        sweep.time_up = true;
        break;
      case SweepChange::kExhausted:
        sweep.exhausted = true;
        break;
    }
  }

  void operator()(const SweepPromoting& e) {
    Sweep& sweep = SweepAt(e.sweep);
    sweep.phase = SweepPhase::kPromoting;
    sweep.promoted_trial = e.trial;
  }

  void operator()(const SweepEnded& e) {
    Sweep& sweep = SweepAt(e.sweep);
    sweep.phase = e.phase;
    sweep.message = e.message;
    sweep.ended_ms = unix_ms_;
    state_.open.erase(e.sweep);
  }

  void operator()(const TrialCreated& e) {
    Sweep& sweep = SweepAt(e.sweep);
    MUSTER_CHECK(e.number == static_cast<std::int64_t>(sweep.trials.size()),
                 "trials are numbered without gaps");
    auto params = tuner::ParamsFromJson(e.params);
    MUSTER_CHECK(params.ok(), "parameters that were suggested cannot be read");
    Trial trial;
    trial.id = e.trial;
    trial.sweep = e.sweep;
    trial.number = e.number;
    trial.params = *params;
    trial.by = e.by;
    trial.from = e.from;
    trial.run = e.run;
    trial.created_ms = unix_ms_;
    state_.runs[e.run] = e.trial;
    sweep.waiting.insert(e.number);
    if (e.from) sweep.unborn.insert(e.number);
    if (e.by == tuner::kEnqueued && !sweep.queue.empty()) sweep.queue.pop_front();
    sweep.history.Start(e.number, std::move(params).value());
    sweep.trials.push_back(std::move(trial));
  }

  void operator()(const TrialEnded& e) {
    Trial& trial = TrialAt(e.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    MUSTER_CHECK(!IsFinal(trial.phase), "a trial ends once");
    MUSTER_CHECK(e.epoch.value == 0 || trial.live == e.epoch,
                 "only a trial's live attempt may end it");
    trial.phase = e.phase;
    trial.value = e.value;
    trial.message = e.message;
    trial.ended_ms = unix_ms_;
    sweep.waiting.erase(trial.number);
    sweep.finished += 1;
    Unpark(sweep, trial);
    NoteStored(sweep, trial);
    sweep.history.Finish(trial.number, OutcomeOf(e, sweep.spec, trial.metrics));
  }

  void operator()(const TrialRetried& e) {
    Trial& trial = TrialAt(e.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    trial.phase = TrialPhase::kWaiting;
    trial.charges.clear();
    trial.crashes = trial.by_rule = 0;
    trial.value.reset();
    trial.message.clear();
    trial.ended_ms = 0;
    sweep.waiting.insert(trial.number);
    sweep.finished -= 1;
    sweep.history.Resume(trial.number);
  }

  void operator()(const SpaceWidened& e) {
    Sweep& sweep = SweepAt(e.sweep);
    sweep.spec.space = e.space;
    sweep.spec.constraints = e.constraints;
  }

  void operator()(const TrialEnqueued& e) { Enqueue(SweepAt(e.sweep), e.params); }

  void operator()(const TrialPaused& e) {
    Trial& trial = TrialAt(e.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    trial.parked = true;
    sweep.parked += 1;
    sweep.history.Pause(trial.number);
  }

  void operator()(const TrialResumed& e) {
    Trial& trial = TrialAt(e.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    Unpark(sweep, trial);
    sweep.history.Resume(trial.number);
    if (trial.phase != TrialPhase::kPaused) return;  // its attempt is still ending
    trial.phase = TrialPhase::kWaiting;
    sweep.waiting.insert(trial.number);
    NoteStored(sweep, trial);
  }

  void operator()(const AttemptStarted& e) {
    Trial& trial = TrialAt(e.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    MUSTER_CHECK(e.epoch > state_.newest_epoch, "epochs only grow");
    MUSTER_CHECK(trial.phase == TrialPhase::kWaiting && trial.live.value == 0,
                 "a trial has one attempt at a time");
    state_.newest_epoch = e.epoch;
    Attempt attempt;
    attempt.epoch = e.epoch;
    attempt.trial = e.trial;
    attempt.token = e.token;
    attempt.start_secret = e.start_secret;
    attempt.created_ms = unix_ms_;
    for (Placement& place : PlacesOf(e, sweep)) {
      Hold(state_.nodes[place.node], place, sweep.shape, e.epoch);
      sweep.slots_held += static_cast<int>(place.slots.size());
      AddTo(state_.users[sweep.user], AmountsOf(sweep.shape, place.ranks), 1);
      const auto lent = state_.allocations.find(state_.nodes[place.node].allocation);
      if (lent != state_.allocations.end()) BeUsed(lent->second, attempt);
      attempt.members.emplace_back().place = std::move(place);
    }
    state_.live.insert(e.epoch);
    state_.live_by_priority[sweep.spec.priority].insert(e.epoch);
    state_.tokens[e.token] = e.epoch;
    trial.phase = TrialPhase::kRunning;
    trial.live = e.epoch;
    trial.dropped = false;
    trial.attempts.push_back(e.epoch);
    if (trial.started_ms == 0) trial.started_ms = unix_ms_;
    sweep.waiting.erase(trial.number);
    sweep.live += 1;
    if (sweep.started_ms == 0) sweep.started_ms = unix_ms_;
    state_.attempts.emplace(e.epoch, std::move(attempt));
  }

  void operator()(const AttemptPrepared& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    Member& member = MemberAt(attempt, e.node);
    member.phase = wire::AttemptPhase::kPrepared;
    member.address = e.address;
    member.port = e.port;
    Advance(attempt);
    if (attempt.phase != wire::AttemptPhase::kPrepared) return;
    const Trial& trial = TrialAt(attempt.trial);
    SweepAt(trial.sweep).unborn.erase(trial.number);
  }

  void operator()(const AttemptRunning& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    MemberAt(attempt, e.node).phase = wire::AttemptPhase::kRunning;
    Advance(attempt);
  }

  void operator()(const StopDecided& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    if (!attempt.stop) AddStopping(attempt, 1);
    attempt.phase = wire::AttemptPhase::kStopping;
    attempt.stop = e;
  }

  void operator()(const MemberEnded& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    MUSTER_CHECK(attempt.living_members() > 1, "the last member's end is the attempt's");
    if (attempt.failure ? SaysMore(e.cause, attempt.failure->cause)
                        : e.cause != wire::ExitCause::kSuccess) {
      attempt.failure = e;
    }
    MemberAt(attempt, e.node).used = e.used;
    EndMember(attempt, MemberAt(attempt, e.node));
    Advance(attempt);
  }

  void operator()(const AttemptEnded& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    Trial& trial = TrialAt(attempt.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    MUSTER_CHECK(attempt.live() && trial.live == e.epoch, "an attempt ends once");
    for (Member& member : attempt.members) {
      if (!member.live()) continue;
      member.used = e.used;
      EndMember(attempt, member);
    }
    const bool kept = trial.phase == TrialPhase::kComplete || trial.phase == TrialPhase::kPruned;
    attempt.use = UseOf(attempt, !kept && Loses(e.cause));
    coordinator::AddTo(sweep.use, attempt.use);
    attempt.phase = wire::AttemptPhase::kExited;
    attempt.cause = e.cause;
    attempt.message = e.message;
    attempt.exit_code = e.exit_code;
    attempt.ended_ms = unix_ms_;
    state_.live.erase(e.epoch);
    const auto peers = state_.live_by_priority.find(sweep.spec.priority);
    peers->second.erase(e.epoch);
    if (peers->second.empty()) state_.live_by_priority.erase(peers);
    trial.live = {};
    if (e.charge != Charge::kNothing) trial.charges[e.charge] += 1;
    trial.crashes += e.cause == wire::ExitCause::kNode && !e.by_rule ? 1 : 0;
    trial.by_rule += e.by_rule ? 1 : 0;
    Blame(attempt, e);
    sweep.live -= 1;
    sweep.last_exit_ms = unix_ms_;
    if (!IsFinal(trial.phase)) {
      trial.phase = trial.parked ? TrialPhase::kPaused : TrialPhase::kWaiting;
      trial.message = e.message;
      if (!trial.parked) sweep.waiting.insert(trial.number);
    }
    NoteStored(sweep, trial);
  }

  void operator()(const Reported& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    Trial& trial = TrialAt(attempt.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    Member& member = MemberAt(attempt, e.node);
    member.records_end = std::max(member.records_end, e.records_end);
    if (e.resumed_after) {
      attempt.resumed = true;
      const auto erased = std::erase_if(trial.reports, [&](const Report& report) {
        return report.epoch < e.epoch && report.step > *e.resumed_after;
      });
      if (erased > 0) sweep.history.Rewind(trial.number, *e.resumed_after);
      std::erase_if(trial.kept, [&](const KeptCheckpoint& kept) {
        return kept.epoch < e.epoch && kept.step > *e.resumed_after;
      });
    }
    for (const ObjectiveReport& report : e.reports) AddReport(sweep, trial, report, e.epoch);
    for (const auto& [key, value] : e.metrics) trial.metrics[key] = value;
    if (e.step > 0) trial.step = e.step;
    if (e.total_steps > 0) trial.total_steps = e.total_steps;
    for (const Checkpoint& checkpoint : e.checkpoints) {
      KeepBest(trial, checkpoint, sweep.spec.objective.maximize());
      sweep.publishes = true;
      if (checkpoint.kept) {
        trial.kept.push_back({checkpoint.step, e.epoch});
        sweep.keepers.insert(trial.number);
      }
      if (checkpoint.step > trial.checkpoint_step) {
        attempt.progressed = true;
        attempt.saved_ms = unix_ms_;
      }
      trial.checkpoint_step = std::max(trial.checkpoint_step, checkpoint.step);
    }
    if (e.result_checkpoint) {
      attempt.has_result = true;
      // The trial itself says which one is its best.
      if (!e.result_checkpoint->empty() &&
          (!trial.checkpoint || trial.checkpoint->path != *e.result_checkpoint)) {
        trial.checkpoint = Checkpoint{*e.result_checkpoint, e.step, {}};
      }
    }
  }

  void operator()(const Noticed& e) { AttemptAt(e.epoch).notices.push_back(e); }

  void operator()(const OutboxAdded& e) {
    const std::int64_t sequence = state_.next_sequence++;
    state_.outbox[e.id] = {e.id, sequence, e.command};
    state_.pending[sequence] = e.id;
    if (const auto* drop = std::get_if<DropCheckpoints>(&e.command)) Drop(*drop);
  }

  void operator()(const OutboxFinished& e) {
    const auto found = state_.outbox.find(e.id);
    MUSTER_CHECK(found != state_.outbox.end(), "a command is done once");
    const OutboxEntry entry = std::move(found->second);
    state_.outbox.erase(found);
    state_.pending.erase(entry.sequence);
    if (const auto* create = std::get_if<CreateRun>(&entry.command); create && e.error.empty()) {
      Trial& trial = TrialAt(create->trial);
      trial.run_created = true;
      const auto* id = e.result.if_contains("experiment_id");
      if (id != nullptr && id->is_string()) trial.experiment_id = id->get_string();
    }
    if (const auto* promote = std::get_if<PromoteModel>(&entry.command)) {
      SweepAt(promote->sweep).promotion = e.result;
    }
    if (const auto* submit = std::get_if<SubmitAllocations>(&entry.command)) {
      const auto* job = e.result.if_contains("job");
      for (std::size_t task = 0; job != nullptr && task < submit->allocations.size(); ++task) {
        const auto asked = state_.allocations.find(submit->allocations[task]);
        if (asked == state_.allocations.end()) continue;
        asked->second.job = std::string(job->as_string());
        if (submit->allocations.size() > 1) asked->second.job += "_" + std::to_string(task);
      }
    }
    if (const auto* drop = std::get_if<DropCheckpoints>(&entry.command)) {
      Trial& trial = TrialAt(drop->trial);
      const bool own =
          std::ranges::find(drop->folders, CheckpointFolder(trial.id)) != drop->folders.end();
      if (own) trial.dropping = false;
    }
  }

  void operator()(const NodeChanged& e) {
    Node& node = state_.nodes[e.node];
    const NodeMode mode = ModeOf(e.change);
    if (mode != NodeMode::kOpen && mode < node.mode) return;
    node.mode = mode;
    node.mode_reason = e.reason;
    if (mode != NodeMode::kOpen) return;
    node.mode_reason.clear();
    node.blamed_by.clear();
    for (const SweepId& id : state_.open) {
      SweepAt(id).excluded_nodes.erase(e.node);
      SweepAt(id).shape.excluded.erase(e.node);
    }
  }

  void operator()(const LogRuleFired& e) {
    Attempt& attempt = AttemptAt(e.epoch);
    attempt.fired.push_back({e.rule, e.log, e.line});
    if (e.excludes_node) {
      Sweep& sweep = SweepAt(TrialAt(attempt.trial).sweep);
      sweep.excluded_nodes[e.node] = e.line;
      sweep.shape.excluded.insert(e.node);
    }
  }

 private:
  template <typename Do>
  void ForNodes(const Allocation& allocation, Do&& act) {
    for (int index = 0; index < allocation.asked.nodes; ++index) {
      const auto found = state_.nodes.find(allocation.NodeOf(index));
      if (found != state_.nodes.end()) act(found->second);
    }
  }
  /// A job's nodes are its trial's alone.
  void BeUsed(Allocation& allocation, Attempt& attempt) {
    allocation.used = true;
    if (allocation.attempts.empty() || allocation.attempts.back() != attempt.epoch)
      allocation.attempts.push_back(attempt.epoch);
    NoteJob(allocation, attempt);
    if (allocation.asked.sweep.empty()) return;
    ForNodes(allocation, [](Node& node) {
      node.leaving = true;
      node.leaving_why = kSpent;
    });
  }
  static void NoteJob(const Allocation& allocation, Attempt& attempt) {
    if (!allocation.job.empty() && !std::ranges::count(attempt.jobs, allocation.job))
      attempt.jobs.push_back(allocation.job);
  }
  /// Among its attempts, by slots x time on its nodes.
  void ShareOut(double joules, const Uncounted& allocation) {
    const std::string prefix = allocation.allocation.value + ".";
    std::vector<std::pair<Attempt*, double>> shares;
    double all = 0;
    for (const AttemptEpoch epoch : allocation.attempts) {
      Attempt& attempt = AttemptAt(epoch);
      double slot_ms = 0;
      for (const Member& member : attempt.members) {
        if (member.place.node.value.starts_with(prefix))
          slot_ms += static_cast<double>(SlotMs(attempt, member));
      }
      shares.emplace_back(&attempt, slot_ms);
      all += slot_ms;
    }
    for (const auto& [attempt, slot_ms] : shares) {
      if (slot_ms == 0) continue;
      const Use share{.joules = joules * slot_ms / all};
      coordinator::AddTo(attempt->use, share);
      coordinator::AddTo(SweepAt(TrialAt(attempt->trial).sweep).use, share);
    }
  }
  [[nodiscard]] static std::int64_t SlotMs(const Attempt& attempt, const Member& member) {
    return static_cast<std::int64_t>(member.place.slots.size()) *
           std::max<std::int64_t>(0, member.ended_ms - attempt.created_ms);
  }
  /// What a lent node did for it.
  void NoteBusy(Attempt& attempt, const Member& member) {
    const AllocationId id = state_.AllocationOf(member.place.node);
    if (id.empty()) return;
    const std::int64_t slot_ms = SlotMs(attempt, member);
    state_.pools.at(id.value.substr(0, id.value.rfind('-'))).busy_slot_ms += slot_ms;
    const auto lent = state_.allocations.find(id);
    if (lent == state_.allocations.end()) return;
    lent->second.busy_slot_ms += slot_ms;
    NoteJob(lent->second, attempt);
  }
  /// Of an attempt that ends so, what it had not saved is lost.
  static bool Loses(wire::ExitCause cause) {
    return cause != wire::ExitCause::kSuccess && cause != wire::ExitCause::kResume &&
           cause != wire::ExitCause::kStopped;
  }

  /// When it is drained.
  void Bound(Node& node, const Allocation& allocation) {
    const auto& spec = state_.pools.at(allocation.asked.pool).spec;
    node.lasts_until_ms =
        allocation.ends_ms == 0 ? 0 : allocation.ends_ms - spec.drain_seconds * 1'000;
  }

  static NodeMode ModeOf(NodeChange change) {
    switch (change) {
      case NodeChange::kCordoned:
        return NodeMode::kCordoned;
      case NodeChange::kDrained:
        return NodeMode::kDrained;
      case NodeChange::kExcluded:
        return NodeMode::kExcluded;
      case NodeChange::kUncordoned:
        break;
    }
    return NodeMode::kOpen;
  }

  /// One fault of a node ends all that runs there: of these, only the first counts.
  void Blame(const Attempt& attempt, const AttemptEnded& e) {
    if (!e.blames_node) {
      if (attempt.started_ms == 0) return;
      // They do run what they are given.
      for (const Member& member : attempt.members) {
        state_.nodes[member.place.node].blamed_by.clear();
      }
      return;
    }
    Node& node = state_.nodes[e.node.empty() ? attempt.members.front().place.node : e.node];
    if (attempt.created_ms >= node.blamed_ms) {
      node.blamed_by.insert(attempt.trial);
      node.blamed_ms = unix_ms_;
    }
  }

  /// Where the gang goes; an event of before gangs could spread names one node and counts its GPUs.
  [[nodiscard]] std::vector<Placement> PlacesOf(const AttemptStarted& e, const Sweep& sweep) {
    if (!e.places.empty()) return e.places;
    Placement place = PlaceOn(state_.nodes[e.node], sweep.shape, 0, sweep.shape.ranks);
    place.node = e.node;
    place.slots = e.slots;
    return {place};
  }

  static void AddTo(Amounts& sum, const Amounts& amounts, int sign) {
    for (const auto& [name, amount] : amounts) {
      std::int64_t& held = sum[name];
      held += sign * amount;
      if (held == 0) sum.erase(name);
    }
  }

  /// Where the gang stands as a whole.
  void Advance(Attempt& attempt) const {
    const auto all = [&](auto holds) { return std::ranges::all_of(attempt.members, holds); };
    // A part that has ended will never be ready.
    if (attempt.phase == wire::AttemptPhase::kPreparing &&
        all([](const Member& member) { return member.phase == wire::AttemptPhase::kPrepared; })) {
      attempt.phase = wire::AttemptPhase::kPrepared;
      attempt.go_sent = true;  // as soon as this is durable
    }
    if (attempt.phase == wire::AttemptPhase::kPrepared &&
        all([](const Member& member) { return member.phase >= wire::AttemptPhase::kRunning; })) {
      attempt.phase = wire::AttemptPhase::kRunning;
      attempt.started_ms = unix_ms_;
    }
  }

  void AddStopping(const Attempt& attempt, int sign) {
    for (const Member& member : attempt.members) {
      if (!member.live()) continue;
      state_.nodes[member.place.node].stopping_slots +=
          sign * static_cast<int>(member.place.slots.size());
    }
  }

  /// What it held on its node is free.
  void EndMember(Attempt& attempt, Member& member) {
    const auto slots = static_cast<int>(member.place.slots.size());
    Sweep& sweep = SweepAt(TrialAt(attempt.trial).sweep);
    Node& node = state_.nodes[member.place.node];
    if (attempt.stop) node.stopping_slots -= slots;
    Release(node, member.place, sweep.shape);
    AddTo(state_.users[sweep.user], AmountsOf(sweep.shape, member.place.ranks), -1);
    if (state_.users[sweep.user].empty()) state_.users.erase(sweep.user);
    sweep.slots_held -= slots;
    member.phase = wire::AttemptPhase::kExited;
    member.ended_ms = unix_ms_;
    NoteBusy(attempt, member);
  }

  static void Import(Sweep& sweep, const wire::ImportedTrial& trial) {
    auto params = tuner::ParamsFromJson(trial.params);
    MUSTER_CHECK(params.ok(), "parameters that were accepted cannot be read");
    const bool complete = trial.state == "complete";
    sweep.history.Import(
        std::move(params).value(),
        {complete ? tuner::TrialState::kComplete : tuner::TrialState::kFailed, trial.values, {}},
        trial.weight);
  }

  static void Enqueue(Sweep& sweep, const boost::json::object& json) {
    auto params = tuner::ParamsFromJson(json);
    MUSTER_CHECK(params.ok(), "parameters that were accepted cannot be read");
    sweep.queue.push_back(std::move(params).value());
  }

  /// Is its checkpoint folder one that may have to go?
  static void NoteStored(Sweep& sweep, const Trial& trial) {
    const bool rests = trial.phase == TrialPhase::kPruned || trial.phase == TrialPhase::kPaused;
    if (rests && trial.live.value == 0 && !trial.attempts.empty() && !trial.dropped) {
      sweep.stored.insert(trial.number);
    } else {
      sweep.stored.erase(trial.number);
    }
  }

  void Drop(const DropCheckpoints& drop) {
    Trial& trial = TrialAt(drop.trial);
    Sweep& sweep = SweepAt(trial.sweep);
    for (const std::string& folder : drop.folders) {
      if (folder == CheckpointFolder(trial.id)) trial.dropped = trial.dropping = true;
      const bool all = folder == CopiesFolder(trial.id);
      std::erase_if(trial.kept, [&](const KeptCheckpoint& kept) {
        return all || folder == CopyFolder(trial.id, kept);
      });
    }
    if (trial.kept.empty()) sweep.keepers.erase(trial.number);
    NoteStored(sweep, trial);
  }

  static void Unpark(Sweep& sweep, Trial& trial) {
    sweep.parked -= trial.parked ? 1 : 0;
    trial.parked = false;
  }

  static void AddReport(Sweep& sweep, Trial& trial, const ObjectiveReport& added,
                        AttemptEpoch epoch) {
    const auto place = std::ranges::lower_bound(trial.reports, added.step, {}, &Report::step);
    const Report report{added.step, added.timestamp_ms, added.value, epoch};
    if (place == trial.reports.end() || place->step != added.step) {
      trial.reports.insert(place, report);
    } else if (epoch >= place->epoch) {
      *place = report;
    } else {
      return;
    }
    sweep.history.AddReport(trial.number, added.step, std::array{added.value});
  }

  static void KeepBest(Trial& trial, const Checkpoint& checkpoint, bool maximize) {
    if (trial.checkpoint && trial.checkpoint->value) {
      if (!checkpoint.value) return;
      if (LossOf(*checkpoint.value, maximize) > LossOf(*trial.checkpoint->value, maximize)) return;
    }
    trial.checkpoint = checkpoint;
  }

  Sweep& SweepAt(const SweepId& id) {
    const auto found = state_.sweeps.find(id);
    MUSTER_CHECK(found != state_.sweeps.end(), "an event names a sweep that is not there");
    return found->second;
  }
  Trial& TrialAt(const TrialId& id) {
    auto* trial = const_cast<Trial*>(state_.FindTrial(id));
    MUSTER_CHECK(trial != nullptr, "an event names a trial that is not there");
    return *trial;
  }
  Attempt& AttemptAt(AttemptEpoch epoch) {
    const auto found = state_.attempts.find(epoch);
    MUSTER_CHECK(found != state_.attempts.end(), "an event names an attempt that is not there");
    return found->second;
  }
  static Member& MemberAt(Attempt& attempt, const NodeId& node) {
    for (Member& member : attempt.members) {
      if (node.empty() || member.place.node == node) return member;
    }
    MUSTER_CHECK(false, "an event names a node that its gang is not on");
    return attempt.members.front();
  }

  State& state_;
  UnixMillis unix_ms_;
};

}  // namespace

void ApplyEvent(State& state, const Event& event) {
  std::visit(Applier(state, event.unix_ms), event.body);
}

}  // namespace muster::coordinator
