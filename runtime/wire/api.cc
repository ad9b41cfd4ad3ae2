#include "runtime/wire/api.h"

#include "runtime/wire/codec.h"

namespace muster::wire {

BOOST_DESCRIBE_STRUCT(TrialSummary, (),
                      (id, number, state, params, objective, step, total_steps, attempts, epoch,
                       node, run_id, created_ms, started_ms, ended_ms, message, exit_code, by, from,
                       from_step))
BOOST_DESCRIBE_STRUCT(UseSummary, (),
                      (slot_seconds, gpu_seconds, lost_slot_seconds, lost_gpu_seconds, cpu_seconds,
                       gpu_busy_seconds, memory_bytes, joules))
BOOST_DESCRIBE_STRUCT(AttemptSummary, (),
                      (epoch, state, node, cause, message, created_ms, started_ms, ended_ms,
                       notices, used))
BOOST_DESCRIBE_STRUCT(TrialDetail, (), (trial, attempts, checkpoint, metrics, used))
BOOST_DESCRIBE_STRUCT(GateSummary, (), (gate, passed, seen, wanted, detail))
BOOST_DESCRIBE_STRUCT(PromotionSummary, (), (state, model, alias, reason, version, trial, gates))
BOOST_DESCRIBE_STRUCT(SweepSummary, (),
                      (id, name, user, state, metric, goal, trials, complete, pruned, failed,
                       running, waiting, paused, budget, best, best_trial, created_ms, ended_ms,
                       slot_seconds, busy_share, message))
BOOST_DESCRIBE_STRUCT(SweepDetail, (), (sweep, promotion, spec, used))
BOOST_DESCRIBE_STRUCT(NodeSummary, (),
                      (id, host, state, slots, used, gpus, last_seen_ms, reason, limits,
                       gpu_memory))

BOOST_DESCRIBE_STRUCT(AllocationSummary, (),
                      (id, job, state, sweep, words, nodes, restarts, asked_ms, started_ms, ends_ms,
                       slot_seconds, busy_slot_seconds))
BOOST_DESCRIBE_STRUCT(PoolSummary, (),
                      (name, state, reason, failures, spec, allocations, slot_seconds,
                       busy_slot_seconds, cpu_seconds, gpu_seconds, joules))

boost::json::value ToJson(const PoolSummary& value) { return ToJson<PoolSummary>(value); }
Result<PoolSummary> PoolSummaryFromJson(const Json& json) { return FromJson<PoolSummary>(json); }
boost::json::value ToJson(const TrialSummary& value) { return ToJson<TrialSummary>(value); }
boost::json::value ToJson(const TrialDetail& value) { return ToJson<TrialDetail>(value); }
boost::json::value ToJson(const SweepSummary& value) { return ToJson<SweepSummary>(value); }
boost::json::value ToJson(const SweepDetail& value) { return ToJson<SweepDetail>(value); }
boost::json::value ToJson(const NodeSummary& value) { return ToJson<NodeSummary>(value); }
boost::json::value ToJson(const PromotionSummary& value) { return ToJson<PromotionSummary>(value); }
Result<TrialSummary> TrialSummaryFromJson(const Json& json) { return FromJson<TrialSummary>(json); }
Result<TrialDetail> TrialDetailFromJson(const Json& json) { return FromJson<TrialDetail>(json); }
Result<SweepSummary> SweepSummaryFromJson(const Json& json) { return FromJson<SweepSummary>(json); }
Result<SweepDetail> SweepDetailFromJson(const Json& json) { return FromJson<SweepDetail>(json); }
Result<NodeSummary> NodeSummaryFromJson(const Json& json) { return FromJson<NodeSummary>(json); }
Result<PromotionSummary> PromotionSummaryFromJson(const Json& json) {
  return FromJson<PromotionSummary>(json);
}

bool IsFinal(const std::string& state) {
  return state == "complete" || state == "pruned" || state == "failed" || state == "cancelled";
}

}  // namespace muster::wire
