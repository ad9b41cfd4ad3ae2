#pragma once

#include <memory>

#include "runtime/base/result.h"
#include "trainer/torch/accelerator.h"

namespace muster::trainer::cuda {

/// The GPU of the machine's rank number `rank`: they take those that CUDA_VISIBLE_DEVICES leaves in turn. The calling thread, which trains, computes there on a
/// stream of its own from now on (a graph cannot be captured on the default one). kUnavailable with CUDA's words where
/// there is none.
Result<std::unique_ptr<Accelerator>> MakeCudaAccelerator(int rank);

}  // namespace muster::trainer::cuda
