#pragma once

#include "trainer/cuda/accelerator.h"
#include "trainer/cuda/nccl.h"

/// What only a trial on a GPU needs, in a file of its own: LibTorch's CUDA half takes a second to load and wants
/// libraries that a machine without GPU lacks. The trial's program loads it when it is to train on one.

namespace muster::trainer::cuda {

/// What the module exports; both sides are of one build.
struct CudaModule {
  static constexpr const char* kFile = "muster-cuda.so";
  static constexpr const char* kSymbol = "muster_cuda";

  const char* version;  ///< of muster
  decltype(&MakeCudaAccelerator) make_accelerator;
  decltype(&JoinWorld) join_world;
};

}  // namespace muster::trainer::cuda
