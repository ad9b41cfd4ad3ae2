#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>

#include "runtime/base/result.h"
#include "trainer/shm/rendezvous.h"

namespace c10d {
class Backend;
}

/// Collectives of LibTorch between ranks of one machine, through shared memory, for contiguous tensors in host
/// memory: allreduce (one tensor or several), broadcast, allgather, reduce_scatter (of tensors and of lists)
/// and barrier. Reductions are sum, average, min, max and product of float, double, half, bfloat16 and
/// integers (reduce.h); what only moves takes any element type.
///
/// Calls return at once; see comm_thread.h for where the work is done. All ranks must call the same in the same
/// order: a difference, a rank that is gone (noticed within about 50 ms) and one that does not come on fail
/// the collective and all later ones, on every rank, with the ranks named (channel.h).

namespace muster::trainer {
class RankProgress;
}

namespace muster::trainer::shm {

struct BackendOptions {
  /// Of one wait for another rank. Longer than what the watch over peers allows (trainer/peers).
  std::chrono::milliseconds timeout = std::chrono::minutes(15);
  RankProgress* progress = nullptr;  ///< hears of every collective; outlives the backend
};

/// The last reference waits for what is queued and leaves the job.
c10::intrusive_ptr<c10d::Backend> MakeBackend(Meeting meeting, BackendOptions options = {});

}  // namespace muster::trainer::shm
