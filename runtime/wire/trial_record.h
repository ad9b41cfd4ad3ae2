#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "runtime/base/result.h"

/// What a rank says about its trial, one JSON object a line, over the local socket MUSTER_CONTROL; the
/// shim appends each line to the attempt's record spool before it answers, so a record outlives rank,
/// shim, agent and coordinator. The same lines travel agent -> coordinator, keyed by spool offset.
///
///   rank -> shim   a `TrialRecord` line
///   shim -> rank   {"ack": N}                 N records of this connection are in the spool
///                  {"command": "checkpoint"}  save a checkpoint, go on
///                  {"command": "stop"}        save a checkpoint, end with exit code 0 or 75
///
/// A checkpoint is committed when its record is acknowledged: `step` is the last one that it contains, and until
/// the acknowledgement nothing in MUSTER_CHECKPOINT_DIR changes, for a clone may start from a copy of it.
///
/// Only rank 0 needs to speak; ranks that all say their own `step` and `rank` let the agent tell which one is
/// behind when the gang hangs. A kProgress with `rank` and `metrics` is that rank's own telemetry, in its own steps:
/// it lands in the run as that rank's, with node and GPU, and is otherwise no progress of the trial. The spool is trusted no further than its epoch: the coordinator refuses
/// records of an older attempt with FENCED.

namespace muster::wire {

enum class RecordType {
  kMetric,      ///< `metrics` at `step`
  kProgress,    ///< `step` of `total_steps`, for people; or a rank's own `metrics`
  kCheckpoint,  ///< a published checkpoint: `path`, `step`, and the `metrics` it scored
  kResult,      ///< the trial is complete: final `metrics`, `path` of the best checkpoint or empty
  kResumed,     ///< the attempt goes on after `step`; earlier attempts' points beyond it are hidden
};

struct TrialRecord {
  RecordType type = RecordType::kMetric;
  std::int64_t step = 0;         ///< in the trial's own unit (epochs for the trials that ship)
  std::int64_t total_steps = 0;  ///< 0: unknown
  std::int64_t timestamp_ms = 0;
  std::map<std::string, double> metrics;
  std::string path;
  std::optional<int> rank;   ///< who says it; absent: the gang
  std::optional<bool> kept;  ///< of kCheckpoint, by the shim: there is a copy (Prepare::keep_dir)
  friend bool operator==(const TrialRecord&, const TrialRecord&) = default;
};

std::string EncodeRecord(const TrialRecord& record);  ///< one line, with its newline
Result<TrialRecord> DecodeRecord(std::string_view line);

}  // namespace muster::wire
