#pragma once

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Backend;
}

/// Collectives of tensors in a device's memory over a backend for host memory: copied to pinned host memory,
/// through the backend, and back. For two ranks on one GPU, which NCCL refuses, and for machines without
/// NCCL.
///
/// Allreduce, broadcast, allgather, reduce_scatter and barrier as the inner backend has them; tensors in host
/// memory go through as they are, in the same order. A call takes what the caller's stream holds up to then
/// and returns at once; the Work and its future end when the results are in the device's memory, so a waiter
/// need not synchronise anything. It cannot be captured in a CUDA graph.

namespace muster::trainer::shm {

struct StagedOptions {
  bool stage_host_tensors = false;  ///< copies those as well, for tests without a device
};

/// Nothing else may call `inner` afterwards.
c10::intrusive_ptr<c10d::Backend> MakeStagedBackend(c10::intrusive_ptr<c10d::Backend> inner,
                                                    StagedOptions options = {});

}  // namespace muster::trainer::shm
