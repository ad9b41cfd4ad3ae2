#pragma once

#include <memory>

#include "runtime/base/result.h"
#include "trainer/torch/accelerator.h"

namespace muster::trainer::cuda {

/// GPU number `index` of those that CUDA_VISIBLE_DEVICES leaves. The calling thread, which trains, computes there on a
/// stream of its own from now on (a graph cannot be captured on the default one). kUnavailable with CUDA's words where
/// there is none.
Result<std::unique_ptr<Accelerator>> MakeCudaAccelerator(int index);

}  // namespace muster::trainer::cuda
