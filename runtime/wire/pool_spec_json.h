#pragma once

#include "runtime/wire/codec.h"
#include "runtime/wire/pool_spec.h"

/// How `codec.h` sees it; for .cc files.

namespace muster::wire {

BOOST_DESCRIBE_ENUM(PoolForm, kPilot, kJob)
BOOST_DESCRIBE_STRUCT(PoolSpec, (),
                      (name, form, nodes, slots, gpus, memory_bytes, labels, time_seconds,
                       drain_seconds, most, backlog, idle_seconds, site))

}  // namespace muster::wire
