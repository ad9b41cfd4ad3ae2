#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>

#include "runtime/base/result.h"

namespace c10d {
class Backend;
}

/// Collectives of LibTorch over Open MPI, for tensors in host memory (collectives.h has types and operations):
/// allreduce, allreduce_coalesced, broadcast, allgather, reduce_scatter, both also of one flat tensor, and barrier.
/// LibTorch's own MPI backend is not in its wheel.
///
/// One thread of ours makes every MPI call, MPI_Init_thread and MPI_Finalize included, so MPI needs no
/// more than MPI_THREAD_FUNNELED; callers queue work and get a c10d::Work whose future completes when it is
/// done. Backward therefore overlaps with the reduction of earlier buckets. How it waits: comm_thread.h.
///
/// All ranks must queue the same collectives in the same order. A failed or overdue collective fails its
/// future and every later one, with MPI's own words; the process can only end then.

namespace muster::trainer {
class RankProgress;
}

namespace muster::trainer::mpi {

struct BackendOptions {
  /// Of one collective. Longer than what the watch over peers allows (trainer/peers), which knows who is missing.
  std::chrono::milliseconds timeout = std::chrono::minutes(15);
  /// So many first collectives are compared between the ranks before they run, at the price of a small one each:
  /// ranks that queue different ones are refused with both named, instead of waiting for ever or mixing up memory.
  std::int64_t checked = 1000;
  std::int64_t part_most = std::int64_t{1}
                           << 30;    ///< elements or bytes in one call of MPI, which counts in int
  RankProgress* progress = nullptr;  ///< hears of every collective; outlives the backend
};

/// Joins MPI_COMM_WORLD. At most once in a process (MPI cannot be initialised again); the last reference
/// ends MPI. kUnavailable when MPI does not start, kAlreadyExists the second time.
Result<c10::intrusive_ptr<c10d::Backend>> JoinWorld(BackendOptions options = {});

}  // namespace muster::trainer::mpi
