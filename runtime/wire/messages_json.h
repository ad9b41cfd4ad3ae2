#pragma once

#include "runtime/wire/codec.h"
#include "runtime/wire/messages.h"
#include "runtime/wire/trial_record_json.h"

/// How `codec.h` sees the messages; for .cc files (of this folder and of tests). A member that is named here
/// travels in both majors, and an older peer skips it.

namespace muster::wire {

BOOST_DESCRIBE_ENUM(LauncherKind, kLocal, kMpi)
BOOST_DESCRIBE_ENUM(AttemptPhase, kPreparing, kPrepared, kRunning, kStopping, kExited)
BOOST_DESCRIBE_ENUM(ExitCause, kSuccess, kResume, kUser, kOom, kNode, kPreempt, kWalltime, kHang,
                    kInfra, kFenced, kStopped)
BOOST_DESCRIBE_ENUM(HangAction, kReport, kRestart, kKill)
BOOST_DESCRIBE_ENUM(NoticeKind, kHang, kStraggler)
BOOST_DESCRIBE_ENUM(StopReason, kPruned, kCancelled, kPaused, kFenced, kShutdown, kPreempted,
                    kWalltime, kGangLost)
BOOST_DESCRIBE_STRUCT(DeviceShare, (), (device, milli, memory_bytes))
BOOST_DESCRIBE_STRUCT(AttemptReport, (), (epoch, trial, phase))
BOOST_DESCRIBE_STRUCT(Hello, (),
                      (node, host, slots, gpus, gpu_memory, resources, labels, incarnation,
                       attempts, sequence, limits, remote_start))
BOOST_DESCRIBE_STRUCT(Heartbeat, (), (node, sequence))
BOOST_DESCRIBE_STRUCT(Prepared, (), (epoch, address, port))
BOOST_DESCRIBE_STRUCT(Started, (), (epoch))
BOOST_DESCRIBE_STRUCT(Records, (), (epoch, begin, end, records))
BOOST_DESCRIBE_STRUCT(LogChunk, (), (epoch, rank, stream, begin, data))
BOOST_DESCRIBE_STRUCT(RankExit, (), (rank, code, text))
BOOST_DESCRIBE_STRUCT(ResourceUse, (), (cpu_ms, memory_bytes, gpu_ms))
BOOST_DESCRIBE_STRUCT(Exited, (), (epoch, started, cause, message, ranks, records_end, used))
BOOST_DESCRIBE_STRUCT(Welcome, (),
                      (coordinator, lease_ms, heartbeat_ms, keep, kill, records_end, hello))
BOOST_DESCRIBE_STRUCT(HeartbeatAck, (), (sequence))
BOOST_DESCRIBE_STRUCT(Prepare, (),
                      (epoch, trial, run, launcher, command, working_dir, env, params_json,
                       checkpoint_dir, ranks, first_rank, world_size, node_rank, cpus_per_rank,
                       gpus_per_rank, slots, devices, grace_ms, silence_ms, hang_ms, hang_action,
                       memory_bytes, start_from, keep_dir, keep_every, start_secret,
                       checkpoint_store, checkpoint_url))
BOOST_DESCRIBE_STRUCT(GangPart, (), (address, port, ranks))
BOOST_DESCRIBE_STRUCT(Go, (), (epoch, master_address, master_port, parts))
BOOST_DESCRIBE_STRUCT(Abort, (), (epoch))
BOOST_DESCRIBE_STRUCT(Stop, (), (epoch, reason, grace_ms))
BOOST_DESCRIBE_STRUCT(AskCheckpoint, (), (epoch))
BOOST_DESCRIBE_STRUCT(Ack, (), (epoch, records_end, logs_end, notices_end))
BOOST_DESCRIBE_STRUCT(Forget, (), (epoch))
BOOST_DESCRIBE_STRUCT(Notice, (), (epoch, kind, number, text))
BOOST_DESCRIBE_STRUCT(Leaving, (), (cause))
BOOST_DESCRIBE_STRUCT(Retire, (), (why))

}  // namespace muster::wire
