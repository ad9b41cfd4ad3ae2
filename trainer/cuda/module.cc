// muster-cuda.so
#include "trainer/cuda/module.h"

extern "C" {
extern const muster::trainer::cuda::CudaModule muster_cuda;
const muster::trainer::cuda::CudaModule muster_cuda{
    .version = MUSTER_VERSION,
    .make_accelerator = &muster::trainer::cuda::MakeCudaAccelerator,
    .join_world = &muster::trainer::cuda::JoinWorld,
};
}
