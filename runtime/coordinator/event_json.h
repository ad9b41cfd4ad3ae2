#pragma once

#include "runtime/coordinator/event.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/pool_spec_json.h"
#include "runtime/wire/sweep_spec_json.h"

/// How `codec.h` sees the events; for .cc files.

namespace muster::wire {

BOOST_DESCRIBE_ENUM(AttemptPhase, kPreparing, kPrepared, kRunning, kStopping, kExited)
BOOST_DESCRIBE_ENUM(ExitCause, kSuccess, kResume, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kInfra, kFenced, kStopped)
BOOST_DESCRIBE_ENUM(NoticeKind, kHang, kStraggler)
BOOST_DESCRIBE_ENUM(StopReason, kPruned, kCancelled, kPaused, kFenced, kShutdown, kPreempted,
                    kWalltime, kGangLost)
BOOST_DESCRIBE_STRUCT(DeviceShare, (), (device, milli, memory_bytes))
BOOST_DESCRIBE_STRUCT(ResourceUse, (), (cpu_ms, memory_bytes, gpu_ms))

}  // namespace muster::wire

namespace muster::coordinator {

BOOST_DESCRIBE_ENUM(SweepPhase, kRunning, kPaused, kPromoting, kComplete, kFailed, kCancelled)
BOOST_DESCRIBE_ENUM(TrialPhase, kWaiting, kRunning, kPaused, kComplete, kPruned, kFailed,
                    kCancelled)
BOOST_DESCRIBE_ENUM(Charge, kNothing, kInfra, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kFenced)
BOOST_DESCRIBE_ENUM(SweepChange, kPaused, kResumed, kCancelled, kTimeUp, kExhausted)
BOOST_DESCRIBE_ENUM(NodeChange, kCordoned, kDrained, kExcluded, kUncordoned)

BOOST_DESCRIBE_STRUCT(CreateRun, (), (run, trial, experiment, name, params, tags))
BOOST_DESCRIBE_STRUCT(FinishRun, (), (run, status, tags))
BOOST_DESCRIBE_STRUCT(TagRun, (), (run, tags))
BOOST_DESCRIBE_STRUCT(ResumeRun, (), (run, epoch, step))
BOOST_DESCRIBE_STRUCT(PromoteModel, (), (sweep, trial, run, checkpoint, params_json, spec, user))
BOOST_DESCRIBE_STRUCT(DropCheckpoints, (), (run, trial, folders))

BOOST_DESCRIBE_STRUCT(CoordinatorStarted, (), (epoch))
BOOST_DESCRIBE_STRUCT(NodeSeen, (),
                      (node, host, slots, gpus, gpu_memory, resources, labels, limits,
                       remote_start))
BOOST_DESCRIBE_STRUCT(SweepSubmitted, (), (sweep, spec, user, imported))
BOOST_DESCRIBE_STRUCT(SpaceWidened, (), (sweep, space, constraints))
BOOST_DESCRIBE_STRUCT(TrialEnqueued, (), (sweep, params))
BOOST_DESCRIBE_STRUCT(QuotaSet, (), (user, most))
BOOST_DESCRIBE_STRUCT(SweepChanged, (), (sweep, change, message))
BOOST_DESCRIBE_STRUCT(SweepPromoting, (), (sweep, trial))
BOOST_DESCRIBE_STRUCT(SweepEnded, (), (sweep, phase, message))
BOOST_DESCRIBE_STRUCT(Origin, (), (trial, step, kept))
BOOST_DESCRIBE_STRUCT(TrialCreated, (),
                      (trial, sweep, number, params, run, history_position, by, search_version,
                       from))
BOOST_DESCRIBE_STRUCT(TrialEnded, (), (trial, epoch, phase, value, message, cause))
BOOST_DESCRIBE_STRUCT(TrialPaused, (), (trial, step))
BOOST_DESCRIBE_STRUCT(TrialResumed, (), (trial))
BOOST_DESCRIBE_STRUCT(TrialRetried, (), (trial))
BOOST_DESCRIBE_STRUCT(Placement, (), (node, first_rank, ranks, slots, devices))
BOOST_DESCRIBE_STRUCT(AttemptStarted, (),
                      (epoch, trial, places, token, start_secret, node, slots, gpus))
BOOST_DESCRIBE_STRUCT(AttemptPrepared, (), (epoch, node, address, port))
BOOST_DESCRIBE_STRUCT(AttemptRunning, (), (epoch, node))
BOOST_DESCRIBE_STRUCT(MemberEnded, (), (epoch, node, cause, message, exit_code, used))
BOOST_DESCRIBE_STRUCT(StopDecided, (), (epoch, reason, cause, message))
BOOST_DESCRIBE_STRUCT(AttemptEnded, (),
                      (epoch, cause, message, charge, exit_code, by_rule, blames_node, node, used))
BOOST_DESCRIBE_STRUCT(ObjectiveReport, (), (step, timestamp_ms, value))
BOOST_DESCRIBE_STRUCT(Checkpoint, (), (path, step, value, kept))
BOOST_DESCRIBE_STRUCT(Reported, (),
                      (epoch, node, records_end, resumed_after, reports, metrics, step, total_steps,
                       checkpoints, result_checkpoint))
BOOST_DESCRIBE_STRUCT(Noticed, (), (epoch, node, kind, number, text))
BOOST_DESCRIBE_STRUCT(OutboxFinished, (), (id, error, result))
BOOST_DESCRIBE_STRUCT(NodeChanged, (), (node, change, reason, automatic))
BOOST_DESCRIBE_STRUCT(SubmitAllocations, (),
                      (pool, key, name, allocations, nodes, slots, gpus, memory_bytes, time_seconds,
                       warn_seconds, labels, site))
BOOST_DESCRIBE_STRUCT(CancelAllocation, (), (pool, key, task, allocation, site))
BOOST_DESCRIBE_ENUM(PoolChange, kPaused, kResumed, kRemoved)
BOOST_DESCRIBE_STRUCT(PoolSet, (), (spec))
BOOST_DESCRIBE_STRUCT(PoolChanged, (), (pool, change, reason, automatic))
BOOST_DESCRIBE_STRUCT(AllocationAsked, (),
                      (allocation, pool, sweep, key, task, nodes, slots, gpus, memory_bytes,
                       time_seconds))
BOOST_DESCRIBE_STRUCT(AllocationSeen, (), (allocation, running, ends_ms, restarts, words))
BOOST_DESCRIBE_STRUCT(AllocationLeft, (), (allocation, reason))
BOOST_DESCRIBE_STRUCT(AllocationEnded, (), (allocation, message, failed, job, counted))
BOOST_DESCRIBE_STRUCT(AllocationUsed, (), (allocation, cpu_seconds, gpu_seconds, joules))
BOOST_DESCRIBE_STRUCT(NodeLeft, (), (node, back, reason))
BOOST_DESCRIBE_STRUCT(NodeForgotten, (), (node))
BOOST_DESCRIBE_STRUCT(LogRuleFired, (), (epoch, rule, node, log, line, excludes_node))

}  // namespace muster::coordinator
