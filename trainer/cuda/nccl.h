#pragma once

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <string>

#include "runtime/base/result.h"
#include "trainer/row_order.h"

namespace c10d {
class Backend;
}

/// LibTorch's own NCCL backend, for tensors in GPU memory.

namespace muster::trainer::cuda {

struct NcclOptions {
  RankInfo rank;
  std::string master_address;
  int master_port = 0;  ///< rank 0 listens there
  int device = 0;       ///< of this rank, as CUDA_VISIBLE_DEVICES leaves them
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// kUnavailable with LibTorch's words: no GPU, or the ranks do not meet at the address. One GPU cannot
/// host two ranks (NCCL refuses since 2.5).
Result<c10::intrusive_ptr<c10d::Backend>> JoinWorld(const NcclOptions& options);

}  // namespace muster::trainer::cuda
