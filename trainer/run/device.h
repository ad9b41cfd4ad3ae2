#pragma once

#include <memory>

#include "trainer/peers/watch.h"
#include "trainer/run/options.h"
#include "trainer/torch/accelerator.h"
#include "trainer/torch/gang.h"

/// What a rank computes on and how it speaks with the others, as options and machine have it.

namespace muster::trainer::run {

/// The device that the parameter asks for; "auto" is a GPU where this process sees one. With several GPUs the ranks of
/// a machine take them in turn. muster-cuda.so, which lies beside the program, is loaded for it. kUnavailable where
/// "cuda" was asked for and there is none.
Result<std::unique_ptr<Accelerator>> OpenDevice(const Options& options);

/// The ranks of this attempt. Host tensors go through shared memory where all ranks are on this machine, else through
/// Open MPI; those on GPUs through NCCL where each rank has one of its own, else through host memory. `accelerator`:
/// what OpenDevice gave; null on the host. `progress` hears of every collective where the backend counts them, and
/// outlives the gang.
Result<Gang> JoinGang(const Options& options, const Accelerator* accelerator,
                      RankProgress& progress);

/// The watch over the others of `gang`; null where there are none.
Result<std::unique_ptr<peers::Watch>> WatchGang(const Options& options, const Gang& gang,
                                                const RankProgress& progress);

}  // namespace muster::trainer::run
