#include "runtime/coordinator/views.h"

#include <algorithm>

#include "runtime/coordinator/event_json.h"
#include "runtime/coordinator/explain_policy.h"
#include "runtime/coordinator/quota.h"
#include "runtime/coordinator/search_spec.h"
#include "runtime/coordinator/validate.h"
#include "runtime/wire/api.h"

namespace muster::coordinator {
namespace {

Error NoSweep(const SweepId& id) { return NotFound("there is no sweep '" + id.value + "'"); }
Error NoTrial(const TrialId& id) { return NotFound("there is no trial '" + id.value + "'"); }

template <typename Enum>
std::string Text(Enum value) {
  return std::string(wire::ToJson(value).as_string());
}

const Attempt* NewestAttempt(const State& state, const Trial& trial) {
  return trial.attempts.empty() ? nullptr : state.FindAttempt(trial.attempts.back());
}

/// waiting, starting, running, stopping, or how it ended.
std::string StateOf(const State& state, const Trial& trial) {
  if (trial.phase != TrialPhase::kRunning) return Text(trial.phase);
  switch (state.FindAttempt(trial.live)->phase) {
    case wire::AttemptPhase::kRunning:
      return "running";
    case wire::AttemptPhase::kStopping:
      return "stopping";
    default:
      return "starting";
  }
}

/// Why a pool brings no nodes, in its batch system's words; empty where nothing is known to be wrong.
std::string TroubleOf(const Pool& pool) {
  if (pool.failures == 0) return {};
  if (pool.paused) return pool.reason;
  const auto last = std::find_if(pool.past.rbegin(), pool.past.rend(),
                                 [](const Pool::Past& past) { return past.failed; });
  return last == pool.past.rend() ? "" : last->message;
}

/// What a waiting trial waits for, in the words of batch systems.
std::string WordsOfPools(const State& state) {
  std::string all;
  for (const auto& [name, pool] : state.pools) {
    std::string words = TroubleOf(pool);
    for (auto id = pool.live.begin(); words.empty() && id != pool.live.end(); ++id) {
      const Allocation& allocation = *state.FindAllocation(*id);
      if (!allocation.joined && !allocation.leaving) words = allocation.words;
    }
    if (!words.empty()) all += (all.empty() ? "pool " : "; pool ") + name + ": " + words;
  }
  return all;
}

wire::TrialSummary SummaryOf(const State& state, const Trial& trial) {
  wire::TrialSummary summary;
  summary.id = trial.id.value;
  summary.number = trial.number;
  summary.state = StateOf(state, trial);
  summary.params = tuner::ParamsToJson(trial.params);
  summary.objective = trial.value;
  if (!IsFinal(trial.phase) && !trial.reports.empty()) {
    summary.objective = trial.reports.back().value;
  }
  summary.step = trial.step;
  summary.total_steps = trial.total_steps;
  summary.attempts = static_cast<int>(trial.attempts.size());
  if (const Attempt* newest = NewestAttempt(state, trial)) {
    summary.epoch = newest->epoch.value;
    summary.node = newest->NodeNames();
    summary.exit_code = newest->exit_code;
  }
  summary.run_id = trial.run.value;
  summary.created_ms = trial.created_ms;
  summary.started_ms = trial.started_ms;
  summary.ended_ms = trial.ended_ms;
  summary.message = trial.message;
  if (trial.phase == TrialPhase::kWaiting && trial.message.empty())
    summary.message = WordsOfPools(state);
  summary.by = trial.by;
  if (trial.from) {
    summary.from = trial.from->trial.value;
    summary.from_step = trial.from->step;
  }
  return summary;
}

/// Slots x time of the sweep's gangs, those that still run included.
std::int64_t SlotMs(const State& state, const Sweep& sweep, UnixMillis unix_now) {
  std::int64_t sum = sweep.use.slot_ms;
  if (sweep.live == 0) return sum;
  for (const Trial& trial : sweep.trials) {
    if (trial.live.value == 0) continue;
    const Attempt& attempt = *state.FindAttempt(trial.live);
    for (const Member& member : attempt.members) {
      const UnixMillis end = member.live() ? unix_now : member.ended_ms;
      sum += static_cast<std::int64_t>(member.place.slots.size()) *
             std::max<std::int64_t>(0, end - attempt.created_ms);
    }
  }
  return sum;
}

/// Slots x time of what still runs on the allocation.
std::int64_t RunningSlotMs(const State& state, const Allocation& allocation, UnixMillis unix_now) {
  std::int64_t sum = 0;
  for (int index = 0; index < allocation.asked.nodes; ++index) {
    const auto node = state.nodes.find(allocation.NodeOf(index));
    if (node == state.nodes.end()) continue;
    for (const auto& [slot, epoch] : node->second.holders)
      sum += std::max<std::int64_t>(0, unix_now - state.attempts.at(epoch).created_ms);
  }
  return sum;
}

wire::SweepSummary SummaryOf(const State& state, const Sweep& sweep, UnixMillis unix_now) {
  wire::SweepSummary summary;
  summary.id = sweep.id.value;
  summary.name = sweep.spec.name;
  summary.user = sweep.user;
  summary.state = Text(sweep.phase);
  summary.metric = sweep.spec.objective.metric;
  summary.goal = sweep.spec.objective.goal;
  summary.trials = static_cast<int>(sweep.trials.size());
  for (const Trial& trial : sweep.trials) {
    summary.complete += trial.phase == TrialPhase::kComplete ? 1 : 0;
    summary.pruned += trial.phase == TrialPhase::kPruned ? 1 : 0;
    summary.failed +=
        trial.phase == TrialPhase::kFailed || trial.phase == TrialPhase::kCancelled ? 1 : 0;
    summary.running += trial.phase == TrialPhase::kRunning ? 1 : 0;
    summary.waiting += trial.phase == TrialPhase::kWaiting ? 1 : 0;
    summary.paused += trial.phase == TrialPhase::kPaused ? 1 : 0;
  }
  summary.budget = sweep.spec.budget.trials;
  if (const Trial* best = State::Best(sweep)) {
    summary.best = best->value;
    summary.best_trial = best->id.value;
  }
  summary.created_ms = sweep.created_ms;
  summary.ended_ms = sweep.ended_ms;
  summary.message = sweep.message;
  const std::int64_t slot_ms = SlotMs(state, sweep, unix_now);
  summary.slot_seconds = static_cast<double>(slot_ms) / 1000;
  int slots = 0;
  for (const auto& [id, node] : state.nodes) slots += node.slots;
  const UnixMillis end = sweep.live > 0 ? unix_now : sweep.last_exit_ms;
  if (slots > 0 && sweep.started_ms > 0 && end > sweep.started_ms) {
    summary.busy_share = static_cast<double>(slot_ms) /
                         (static_cast<double>(slots) * static_cast<double>(end - sweep.started_ms));
  }
  return summary;
}

wire::PromotionSummary PromotionOf(const Sweep& sweep) {
  wire::PromotionSummary summary;
  if (sweep.promoted_trial.empty()) return summary;
  if (sweep.phase == SweepPhase::kPromoting) {
    summary.state = "waiting";
  } else if (auto told = wire::PromotionSummaryFromJson(sweep.promotion);
             told.ok() && !told->state.empty()) {
    return std::move(told).value();
  } else {
    summary.state = "failed";
    summary.reason = sweep.message;
  }
  if (sweep.spec.model) summary.model = sweep.spec.model->name;
  summary.trial = sweep.promoted_trial.value;
  return summary;
}

std::string Seconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count() /
                        1000) +
         " s";
}

boost::json::value Explanation(const std::vector<std::string>& lines) {
  boost::json::array array;
  std::string all;
  for (const std::string& line : lines) {
    array.emplace_back(line);
    all += (all.empty() ? "" : "\n") + line;
  }
  return boost::json::object{{"explanation", all}, {"lines", std::move(array)}};
}

/// "3 of 4 slots, 0 of 1 GPUs and 2 of 8 licence", of what the gang asks for.
std::string FreeText(const Node& node, const GangShape& shape) {
  std::string text = std::to_string(node.free()) + " of " + std::to_string(node.slots) + " slots";
  if (shape.gpus > 0 || shape.gpu_milli > 0) {
    text += ", " + std::to_string(node.free_devices()) + " of " +
            std::to_string(node.devices.size()) + " GPUs";
  }
  for (const auto& [name, each] : shape.amounts) {
    const auto has = node.resources.find(name);
    if (has == node.resources.end()) continue;
    const auto held = node.held.find(name);
    const std::int64_t left = has->second - (held == node.held.end() ? 0 : held->second);
    text += ", " + AmountText(name, left) + " of " + AmountText(name, has->second) + " " + name;
  }
  return text;
}

/// Why a trial that has all it needs but slots has none.
void ExplainSlots(const Coordinator& coordinator, const Sweep& sweep, MonotonicTime now,
                  std::vector<std::string>& lines) {
  const State& state = coordinator.state();
  if (const std::string hit = QuotaHit(state, sweep); !hit.empty()) {
    lines.push_back("User " + sweep.user + " holds all it may: " + hit + ".");
  }
  lines.push_back("It waits until these are free: " + NeedsText(sweep.shape) + ".");
  if (state.nodes.empty()) lines.emplace_back("No node has joined yet.");
  if (const Status fits = ValidateGang(sweep.spec, state); !fits.ok()) {
    lines.push_back("No node that has joined can ever hold it: " + fits.error().message + ".");
  }
  for (const auto& [id, node] : state.nodes) {
    std::string line = "Node " + id.value + " is " + NodeState(coordinator, node, now) + " with " +
                       FreeText(node, sweep.shape) + " free";
    if (node.schedulable() && coordinator.IsUsable(id, now)) {
      line += "; it could take " + std::to_string(RanksThatFit(node, sweep.shape, Count::kFree)) +
              " of the " + std::to_string(sweep.shape.ranks) + " ranks now";
    }
    lines.push_back(line + ".");
  }
  for (const SweepId& id : state.open) {
    const Sweep& other = state.sweeps.at(id);
    if (id == sweep.id || other.phase != SweepPhase::kRunning || other.waiting.empty()) continue;
    const bool before =
        other.spec.priority > sweep.spec.priority ||
        (other.spec.priority == sweep.spec.priority && other.slots_held < sweep.slots_held);
    if (before) lines.push_back("Sweep " + id.value + " goes first.");
  }
}

/// What batch systems were asked for.
void ExplainPools(const Coordinator& coordinator, std::vector<std::string>& lines) {
  for (const auto& [name, pool] : coordinator.state().pools) {
    int waiting = 0;
    std::string words;
    for (const AllocationId& id : pool.live) {
      const Allocation& allocation = *coordinator.state().FindAllocation(id);
      if (allocation.joined) continue;
      ++waiting;
      words = allocation.words.empty() ? words : ": " + allocation.words;
    }
    std::string line = "Pool " + name + " has " + std::to_string(pool.live.size()) +
                       " allocations of " + std::to_string(pool.spec.most) + ", of which " +
                       std::to_string(waiting) + " wait" + words + ".";
    if (pool.paused) line += " It is paused: " + pool.reason + ".";
    const std::string trouble = TroubleOf(pool);
    if (!pool.paused && !trouble.empty()) line += " The last one failed: " + trouble + ".";
    lines.push_back(std::move(line));
  }
}

void ExplainWaiting(const Coordinator& coordinator, const Sweep& sweep, const Trial& trial,
                    MonotonicTime now, std::vector<std::string>& lines) {
  if (sweep.phase == SweepPhase::kPaused) {
    lines.push_back("Its sweep is paused; `muster sweep resume " + sweep.id.value + "` goes on.");
  } else if (!trial.run_created) {
    lines.emplace_back("Its run is being made in the tracker.");
  } else if (const auto retry = coordinator.RetryAt(trial.id)) {
    lines.push_back("Its last attempt failed; the next one starts in " + Seconds(*retry - now) +
                    ".");
  } else {
    ExplainSlots(coordinator, sweep, now, lines);
    ExplainPools(coordinator, lines);
  }
}

/// A search is a function of its history: one made here and now says what the coordinator's own does.
void ExplainSearch(const Sweep& sweep, std::vector<std::string>& lines) {
  const auto spec = SearchSpecOf(sweep.spec);
  if (!spec.ok()) return;
  const auto search = tuner::MakeSearch(*spec);
  if (!search.ok()) return;
  lines.push_back("Sampler " + search->sampler->Explain(sweep.history) + ".");
  if (!spec->stop.empty())
    lines.push_back("Early stop " + search->scheduler->Explain(sweep.history) + ".");
}

}  // namespace

boost::json::value SweepsView(const Coordinator& coordinator, Moment moment) {
  std::vector<const Sweep*> sweeps;
  for (const auto& [id, sweep] : coordinator.state().sweeps) sweeps.push_back(&sweep);
  std::ranges::stable_sort(sweeps, std::greater(), &Sweep::created_ms);
  boost::json::array rows;
  for (const Sweep* sweep : sweeps) {
    rows.push_back(wire::ToJson(SummaryOf(coordinator.state(), *sweep, moment.unix_now)));
  }
  return rows;
}

Result<boost::json::value> SweepView(const Coordinator& coordinator, const SweepId& id,
                                     Moment moment) {
  const Sweep* sweep = coordinator.state().FindSweep(id);
  if (sweep == nullptr) return NoSweep(id);
  return wire::ToJson(wire::SweepDetail{SummaryOf(coordinator.state(), *sweep, moment.unix_now),
                                        PromotionOf(*sweep), wire::ToJson(sweep->spec).as_object(),
                                        SummaryOf(sweep->use)});
}

Result<boost::json::value> TrialsView(const Coordinator& coordinator, const SweepId& id,
                                      Moment /*moment*/) {
  const Sweep* sweep = coordinator.state().FindSweep(id);
  if (sweep == nullptr) return NoSweep(id);
  boost::json::array rows;
  for (const Trial& trial : sweep->trials) {
    rows.push_back(wire::ToJson(SummaryOf(coordinator.state(), trial)));
  }
  return boost::json::value(std::move(rows));
}

Result<boost::json::value> TrialView(const Coordinator& coordinator, const TrialId& id,
                                     Moment /*moment*/) {
  const State& state = coordinator.state();
  const Trial* trial = state.FindTrial(id);
  if (trial == nullptr) return NoTrial(id);
  wire::TrialDetail detail;
  detail.trial = SummaryOf(state, *trial);
  for (const AttemptEpoch epoch : trial->attempts) {
    const Attempt& attempt = *state.FindAttempt(epoch);
    detail.attempts.push_back({epoch.value,
                               Text(attempt.phase),
                               attempt.NodeNames(),
                               attempt.cause ? Text(*attempt.cause) : std::string(),
                               attempt.message,
                               attempt.created_ms,
                               attempt.started_ms,
                               attempt.ended_ms,
                               {},
                               SummaryOf(attempt.use)});
    for (const Noticed& notice : attempt.notices) {
      detail.attempts.back().notices.push_back(Text(notice.kind) + ": " + notice.text);
    }
  }
  if (trial->checkpoint && !trial->dropped) detail.checkpoint = trial->checkpoint->path;
  detail.metrics = trial->metrics;
  detail.used = SummaryOf(UseOf(state, *trial));
  return wire::ToJson(detail);
}

boost::json::value QuotasView(const Coordinator& coordinator, Moment /*moment*/) {
  const State& state = coordinator.state();
  std::map<std::string, std::pair<Amounts, Amounts>> users;
  for (const auto& [user, most] : state.quotas) users[user].first = most;
  for (const auto& [user, held] : state.users) users[user].second = held;
  boost::json::array rows;
  for (const auto& [user, amounts] : users) {
    rows.push_back(boost::json::object{{"user", user},
                                       {"most", wire::ToJson(amounts.first)},
                                       {"held", wire::ToJson(amounts.second)}});
  }
  return rows;
}

boost::json::value NodesView(const Coordinator& coordinator, Moment moment) {
  boost::json::array rows;
  for (const auto& [id, node] : coordinator.state().nodes) {
    const auto* watch = coordinator.WatchOf(id);
    std::vector<std::int64_t> gpu_memory;
    gpu_memory.reserve(node.devices.size());
    for (const Device& device : node.devices) gpu_memory.push_back(device.memory_bytes);
    rows.push_back(wire::ToJson(wire::NodeSummary{
        id.value, node.host, NodeState(coordinator, node, moment.now), node.slots,
        static_cast<int>(node.holders.size()), static_cast<int>(node.devices.size()),
        watch == nullptr ? 0 : watch->heard_unix,
        node.leaving ? node.leaving_why : node.mode_reason, node.limits, std::move(gpu_memory)}));
  }
  return rows;
}

boost::json::value PoolsView(const Coordinator& coordinator, Moment moment) {
  boost::json::array rows;
  for (const auto& [name, pool] : coordinator.state().pools) {
    wire::PoolSummary row{.name = name,
                          .state = pool.removed  ? "removed"
                                   : pool.paused ? "paused"
                                                 : "open",
                          .reason = pool.reason,
                          .failures = pool.failures,
                          .spec = wire::ToJson(pool.spec).as_object(),
                          .slot_seconds = static_cast<double>(pool.slot_ms) / 1e3,
                          .busy_slot_seconds = static_cast<double>(pool.busy_slot_ms) / 1e3,
                          .cpu_seconds = pool.cpu_seconds,
                          .gpu_seconds = pool.gpu_seconds,
                          .joules = pool.joules};
    for (const AllocationId& id : pool.live) {
      const Allocation& one = *coordinator.state().FindAllocation(id);
      const char* state = one.leaving       ? "leaving"
                          : one.joined      ? "joined"
                          : one.running     ? "running"
                          : one.job.empty() ? "asked"
                                            : "waiting";
      row.allocations.push_back({.id = id.value,
                                 .job = one.job,
                                 .state = state,
                                 .sweep = one.asked.sweep.value,
                                 .words = one.leaving ? one.reason : one.words,
                                 .nodes = one.asked.nodes,
                                 .restarts = one.restarts,
                                 .asked_ms = one.asked_ms,
                                 .started_ms = one.started_ms,
                                 .ends_ms = one.ends_ms});
      const std::int64_t running = RunningSlotMs(coordinator.state(), one, moment.unix_now);
      const double held = static_cast<double>(one.HeldSlotMs(moment.unix_now)) / 1e3;
      row.allocations.back().slot_seconds = held;
      row.allocations.back().busy_slot_seconds =
          static_cast<double>(one.busy_slot_ms + running) / 1e3;
      row.slot_seconds += held;
      row.busy_slot_seconds += static_cast<double>(running) / 1e3;
    }
    for (const Pool::Past& past : pool.past) {
      row.allocations.push_back(
          {.id = past.allocation.value,
           .job = past.job,
           .state = past.failed ? "failed" : "ended",
           .words = past.message,
           .asked_ms = past.asked_ms,
           .started_ms = past.started_ms,
           .ends_ms = past.ended_ms,
           .slot_seconds = static_cast<double>(past.slot_ms) / 1e3,
           .busy_slot_seconds = static_cast<double>(past.busy_slot_ms) / 1e3});
    }
    rows.push_back(wire::ToJson(row));
  }
  return rows;
}

boost::json::value AllocationsView(const Coordinator& coordinator) {
  boost::json::array rows;
  for (const auto& [id, one] : coordinator.state().allocations) {
    const AllocationAsked& asked = one.asked;
    rows.push_back(
        boost::json::object{{"pool", asked.pool},
                            {"key", asked.key},
                            {"task", asked.task},
                            {"allocation", id.value},
                            {"taken", !one.job.empty()},
                            {"site", coordinator.state().pools.at(asked.pool).spec.site}});
  }
  return rows;
}

boost::json::value UncountedView(const Coordinator& coordinator) {
  boost::json::array rows;
  for (const auto& [id, one] : coordinator.state().uncounted) {
    rows.push_back(boost::json::object{{"allocation", id.value},
                                       {"key", one.key},
                                       {"job", one.job},
                                       {"site", one.site},
                                       {"ended_ms", one.ended_ms},
                                       {"ready", coordinator.state().CanBeCounted(one)}});
  }
  return rows;
}

Result<boost::json::value> ExplainSweep(const Coordinator& coordinator, const SweepId& id,
                                        Moment moment) {
  const Sweep* sweep = coordinator.state().FindSweep(id);
  if (sweep == nullptr) return NoSweep(id);
  const wire::SweepSummary summary = SummaryOf(coordinator.state(), *sweep, moment.unix_now);
  std::vector<std::string> lines;
  lines.push_back("Sweep " + id.value + " is " + summary.state + ": " +
                  std::to_string(summary.complete) + " complete, " +
                  std::to_string(summary.pruned) + " pruned, " + std::to_string(summary.failed) +
                  " failed, " + std::to_string(summary.running) + " running, " +
                  std::to_string(summary.waiting) + " waiting, " + std::to_string(summary.paused) +
                  " paused, of a budget of " + std::to_string(summary.budget) + " trials.");
  if (!sweep->message.empty()) lines.push_back("It says: " + sweep->message + ".");
  ExplainSearch(*sweep, lines);
  if (sweep->phase == SweepPhase::kPromoting) {
    lines.push_back("The gates of its model look at trial " + sweep->promoted_trial.value + ".");
  }
  ExplainPolicy(coordinator.state(), *sweep, moment.unix_now, lines);
  if (!IsFinal(sweep->phase) && !sweep->waiting.empty()) {
    const Trial& first = sweep->trials[static_cast<std::size_t>(*sweep->waiting.begin())];
    lines.push_back("Trial " + first.id.value + " is next.");
    ExplainWaiting(coordinator, *sweep, first, moment.now, lines);
  }
  return Explanation(lines);
}

Result<boost::json::value> ExplainTrial(const Coordinator& coordinator, const TrialId& id,
                                        Moment moment) {
  const State& state = coordinator.state();
  const Trial* trial = state.FindTrial(id);
  if (trial == nullptr) return NoTrial(id);
  const Sweep& sweep = *state.FindSweep(trial->sweep);
  std::vector<std::string> lines;
  lines.push_back("Trial " + id.value + " is " + StateOf(state, *trial) + ".");
  if (!trial->message.empty()) lines.push_back("It says: " + trial->message + ".");
  if (trial->phase == TrialPhase::kWaiting) {
    ExplainWaiting(coordinator, sweep, *trial, moment.now, lines);
  }
  for (const AttemptEpoch epoch : trial->attempts) {
    const Attempt& attempt = *state.FindAttempt(epoch);
    std::string line = "Attempt " + std::to_string(epoch.value) + " on node " + attempt.NodeNames();
    if (attempt.cause) {
      line += " ended (" + Text(*attempt.cause) + "): " + attempt.message + ".";
    } else {
      line += " is " + Text(attempt.phase);
      line += attempt.stop ? ": " + attempt.stop->message + "." : ".";
    }
    lines.push_back(std::move(line));
    for (const Noticed& notice : attempt.notices) {
      lines.push_back("It was told of a " + Text(notice.kind) + ": " + notice.text + ".");
    }
  }
  ExplainPolicy(state, sweep, *trial, moment.unix_now, lines);
  return Explanation(lines);
}

}  // namespace muster::coordinator
