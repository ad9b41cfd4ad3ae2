#pragma once

#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

/// How `codec.h` sees a SweepSpec; for .cc files.

namespace muster::wire {

BOOST_DESCRIBE_STRUCT(ResourceSpec, (), (cpu, gpu, gpu_memory_bytes, memory_bytes, custom))
BOOST_DESCRIBE_STRUCT(TrialSpec, (),
                      (program, command, ranks, nodes, labels, resources, env, working_dir,
                       time_seconds))
BOOST_DESCRIBE_STRUCT(ObjectiveSpec, (), (metric, goal))
BOOST_DESCRIBE_STRUCT(BudgetSpec, (), (trials, parallel, time_seconds))
BOOST_DESCRIBE_STRUCT(RetrySpec, (),
                      (user, oom, hang, infra, node, fenced, preempt, walltime, crashes))
BOOST_DESCRIBE_ENUM(LogReaction, kFail, kExcludeNode, kRetry)
BOOST_DESCRIBE_STRUCT(LogRule, (), (match, reaction))
BOOST_DESCRIBE_STRUCT(HangSpec, (), (after_seconds, first_seconds, action))
BOOST_DESCRIBE_STRUCT(FairnessGate, (), (measure, segment, positive))
BOOST_DESCRIBE_STRUCT(CalibrationGate, (), (measure, bins))
BOOST_DESCRIBE_STRUCT(RobustnessGate, (), (noise, missing, value, drop_at_most))
BOOST_DESCRIBE_STRUCT(LatencyGate, (), (batch, p50_ms, p99_ms))
BOOST_DESCRIBE_STRUCT(CompressedGate, (), (agreement_at_least, drop_at_most))
BOOST_DESCRIBE_STRUCT(GateSpec, (),
                      (metric, at_least, at_most, better_than, parity, tolerance, confidence,
                       margin, folds, per_segment, fairness, calibration, robustness, latency,
                       size_bytes, compressed))
BOOST_DESCRIBE_STRUCT(ModelSpec, (), (name, gates, approvals, promote, segments))
BOOST_DESCRIBE_STRUCT(CodeSpec, (), (commit, dirty, diff_sha256, diff))
BOOST_DESCRIBE_STRUCT(SignalCondition, (), (kind, at_least, at_most))
BOOST_DESCRIBE_STRUCT(WebhookCondition, (), (events, ref, age_seconds))
BOOST_DESCRIBE_STRUCT(RetrainGuards, (),
                      (cooldown_seconds, dedup_seconds, retrainings, trial_seconds, period_seconds,
                       approval_seconds, canary_seconds))
BOOST_DESCRIBE_STRUCT(RetrainSpec, (),
                      (cron, tz, data, signals, webhook, guards, warm_start, compare, canary))
BOOST_DESCRIBE_STRUCT(WarmStartSpec, (), (sweep, weight))
BOOST_DESCRIBE_STRUCT(ImportedTrial, (), (params, state, values, weight))
BOOST_DESCRIBE_STRUCT(SweepSpec, (),
                      (name, priority, seed, trial, data, space, objective, budget, sampler, stop,
                       retry, on_log, hang, model, code, retrain, fixed, enqueue, warm_start,
                       imported, constraints, more_objectives))

}  // namespace muster::wire
