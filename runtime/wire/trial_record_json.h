#pragma once

#include "runtime/wire/codec.h"
#include "runtime/wire/trial_record.h"

/// How `codec.h` sees a TrialRecord; for the .cc files of runtime/wire.

namespace muster::wire {

BOOST_DESCRIBE_ENUM(RecordType, kMetric, kProgress, kCheckpoint, kResult, kResumed)
BOOST_DESCRIBE_STRUCT(TrialRecord, (),
                      (type, step, total_steps, timestamp_ms, metrics, path, rank, kept))

}  // namespace muster::wire
