#include "runtime/coordinator/event_json.h"
#include "runtime/coordinator/retry_policy.h"
#include "runtime/coordinator/state.h"

namespace muster::coordinator {

BOOST_DESCRIBE_STRUCT(Report, (), (step, timestamp_ms, value, epoch))
BOOST_DESCRIBE_STRUCT(KeptCheckpoint, (), (step, epoch))
BOOST_DESCRIBE_STRUCT(Device, (), (memory_bytes, milli_held, memory_held))
BOOST_DESCRIBE_STRUCT(Member, (), (place, phase, address, port, records_end, ended_ms, used))
BOOST_DESCRIBE_STRUCT(Use, (),
                      (slot_ms, gpu_ms, lost_slot_ms, lost_gpu_ms, cpu_ms, gpu_busy_ms,
                       memory_bytes, joules))
BOOST_DESCRIBE_STRUCT(FiredRule, (), (rule, log, line))
BOOST_DESCRIBE_STRUCT(Allocation, (),
                      (asked, job, running, restarts, words, ends_ms, joined, used, leaving, reason,
                       asked_ms, started_ms, held_from_ms, held_ms, busy_slot_ms, attempts))
BOOST_DESCRIBE_STRUCT(Uncounted, (), (allocation, pool, key, job, site, attempts, ended_ms))
BOOST_DESCRIBE_ENUM(NodeMode, kOpen, kCordoned, kDrained, kExcluded)
BOOST_DESCRIBE_STRUCT(Attempt, (),
                      (epoch, trial, members, token, start_secret, phase, go_sent, failure,
                       has_result, resumed, progressed, fired, stop, cause, message, exit_code,
                       created_ms, started_ms, ended_ms, notices, saved_ms, jobs, use))

namespace {

boost::json::object DumpCharges(const Trial& trial) {
  boost::json::object charges;
  for (const auto& [charge, count] : trial.charges) charges[NameOf(charge)] = count;
  return charges;
}

boost::json::object DumpTrial(const Trial& trial) {
  return {{"id", trial.id.value},
          {"sweep", trial.sweep.value},
          {"number", trial.number},
          {"params", tuner::ParamsToJson(trial.params)},
          {"by", trial.by},
          {"from", wire::ToJson(trial.from)},
          {"run", trial.run.value},
          {"experiment_id", trial.experiment_id},
          {"run_created", trial.run_created},
          {"phase", wire::ToJson(trial.phase)},
          {"parked", trial.parked},
          {"live", trial.live.value},
          {"attempts", wire::ToJson(trial.attempts)},
          {"reports", wire::ToJson(trial.reports)},
          {"value", wire::ToJson(trial.value)},
          {"metrics", wire::ToJson(trial.metrics)},
          {"step", trial.step},
          {"total_steps", trial.total_steps},
          {"checkpoint", wire::ToJson(trial.checkpoint)},
          {"charges", DumpCharges(trial)},
          {"crashes", trial.crashes},
          {"by_rule", trial.by_rule},
          {"checkpoint_step", trial.checkpoint_step},
          {"kept", wire::ToJson(trial.kept)},
          {"dropped", trial.dropped},
          {"dropping", trial.dropping},
          {"created_ms", trial.created_ms},
          {"started_ms", trial.started_ms},
          {"ended_ms", trial.ended_ms},
          {"message", trial.message}};
}

boost::json::object DumpExcluded(const Sweep& sweep) {
  boost::json::object nodes;
  for (const auto& [node, why] : sweep.excluded_nodes) nodes[node.value] = why;
  return nodes;
}

boost::json::array DumpNumbers(const std::set<std::int64_t>& numbers) {
  boost::json::array array;
  for (const std::int64_t number : numbers) array.push_back(number);
  return array;
}

boost::json::object DumpSweep(const Sweep& sweep) {
  boost::json::array trials;
  for (const Trial& trial : sweep.trials) trials.push_back(DumpTrial(trial));
  boost::json::array queue;
  for (const auto& params : sweep.queue) queue.push_back(tuner::ParamsToJson(params));
  return {{"id", sweep.id.value},
          {"queue", std::move(queue)},
          {"spec", wire::ToJson(sweep.spec)},
          {"user", sweep.user},
          {"phase", wire::ToJson(sweep.phase)},
          {"cancelled", sweep.cancelled},
          {"time_up", sweep.time_up},
          {"exhausted", sweep.exhausted},
          {"trials", std::move(trials)},
          {"waiting", DumpNumbers(sweep.waiting)},
          {"publishes", sweep.publishes},
          {"stored", DumpNumbers(sweep.stored)},
          {"keepers", DumpNumbers(sweep.keepers)},
          {"unborn", DumpNumbers(sweep.unborn)},
          {"finished", sweep.finished},
          {"parked", sweep.parked},
          {"live", sweep.live},
          {"slots_held", sweep.slots_held},
          {"history_position", sweep.history.position()},
          {"promoted_trial", sweep.promoted_trial.value},
          {"promotion", sweep.promotion},
          {"created_ms", sweep.created_ms},
          {"started_ms", sweep.started_ms},
          {"ended_ms", sweep.ended_ms},
          {"use", wire::ToJson(sweep.use)},
          {"last_exit_ms", sweep.last_exit_ms},
          {"excluded_nodes", DumpExcluded(sweep)},
          {"message", sweep.message}};
}

boost::json::array DumpIds(const std::set<TrialId>& trials) {
  boost::json::array ids;
  for (const TrialId& trial : trials) ids.emplace_back(trial.value);
  return ids;
}

boost::json::object DumpNode(const Node& node) {
  boost::json::object holders;
  for (const auto& [slot, epoch] : node.holders) holders[std::to_string(slot)] = epoch.value;
  return {{"id", node.id.value},
          {"host", node.host},
          {"slots", node.slots},
          {"devices", wire::ToJson(node.devices)},
          {"resources", wire::ToJson(node.resources)},
          {"held", wire::ToJson(node.held)},
          {"labels", wire::ToJson(node.labels)},
          {"limits", wire::ToJson(node.limits)},
          {"holders", std::move(holders)},
          {"stopping_slots", node.stopping_slots},
          {"mode", wire::ToJson(node.mode)},
          {"mode_reason", node.mode_reason},
          {"blamed_by", DumpIds(node.blamed_by)},
          {"blamed_ms", node.blamed_ms},
          {"allocation", node.allocation.value},
          {"only", node.only.value},
          {"lasts_until_ms", node.lasts_until_ms},
          {"leaving", node.leaving ? node.leaving_why : ""},
          {"gone", node.gone}};
}

boost::json::object DumpPool(const Pool& pool) {
  return {{"spec", wire::ToJson(pool.spec)},
          {"paused", pool.paused},
          {"removed", pool.removed},
          {"reason", pool.reason},
          {"live", wire::ToJson(std::vector(pool.live.begin(), pool.live.end()))},
          {"failures", pool.failures},
          {"failed_ms", pool.failed_ms},
          {"past", pool.past.size()},
          {"slot_ms", pool.slot_ms},
          {"busy_slot_ms", pool.busy_slot_ms},
          {"cpu_seconds", wire::ToJson(pool.cpu_seconds)},
          {"gpu_seconds", wire::ToJson(pool.gpu_seconds)},
          {"joules", wire::ToJson(pool.joules)}};
}

}  // namespace

boost::json::value Dump(const State& state) {
  boost::json::array sweeps, attempts, nodes, outbox, pending;
  for (const auto& [id, sweep] : state.sweeps) sweeps.push_back(DumpSweep(sweep));
  for (const auto& [epoch, attempt] : state.attempts) attempts.push_back(wire::ToJson(attempt));
  for (const auto& [id, node] : state.nodes) nodes.push_back(DumpNode(node));
  boost::json::array pools, allocations, uncounted;
  for (const auto& [name, pool] : state.pools) pools.push_back(DumpPool(pool));
  for (const auto& [id, one] : state.allocations) allocations.push_back(wire::ToJson(one));
  for (const auto& [id, one] : state.uncounted) uncounted.push_back(wire::ToJson(one));
  for (const auto& [id, entry] : state.outbox) {
    outbox.push_back(boost::json::object{
        {"id", id}, {"command", wire::ParseJson(EncodeCommand(entry.command)).value()}});
  }
  for (const auto& [sequence, id] : state.pending) pending.emplace_back(id);
  return boost::json::object{{"coordinator", state.coordinator.value},
                             {"newest_epoch", state.newest_epoch.value},
                             {"sweeps", std::move(sweeps)},
                             {"attempts", std::move(attempts)},
                             {"nodes", std::move(nodes)},
                             {"pools", std::move(pools)},
                             {"allocations", std::move(allocations)},
                             {"allocations_numbered", state.allocations_numbered},
                             {"uncounted", std::move(uncounted)},
                             {"users", wire::ToJson(state.users)},
                             {"quotas", wire::ToJson(state.quotas)},
                             {"outbox", std::move(outbox)},
                             {"pending", std::move(pending)}};
}

}  // namespace muster::coordinator
