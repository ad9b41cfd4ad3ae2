#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <torch/csrc/distributed/c10d/Types.hpp>
#include <vector>

#include "trainer/mpi/comm_thread.h"

/// LibTorch's collectives as calls of MPI (standard 3.1, chapters 5.12 and 5.2). Each function throws c10::Error for tensors
/// it cannot take: not in host memory, not contiguous, of another shape or type than the others.
///
/// Types: sums, products, minima, maxima and means of float, double and whole numbers; of half and bfloat16 by way of
/// float32, rounded once at the end. What is only moved may be of any type. MPI counts in int: more than `most`
/// elements or bytes go in parts.

namespace muster::trainer::mpi {

struct World {
  int rank = 0;
  int size = 1;
  std::int64_t most = std::int64_t{1} << 30;
};

/// Every one of `tensors`, in place.
Operation AllReduce(const World& world, const char* name, const std::vector<at::Tensor>& tensors,
                    const c10d::ReduceOp& reduce);
Operation Broadcast(const World& world, const char* name, const at::Tensor& tensor, int root);
/// `output` takes `input` of rank r at its r-th part. `input` may be the own part.
Operation AllGather(const World& world, const char* name, const at::Tensor& output,
                    const at::Tensor& input);
/// `output` takes the own part of the sum of all `input`, of which it may be the own part.
Operation ReduceScatter(const World& world, const char* name, const at::Tensor& output,
                        const at::Tensor& input, const c10d::ReduceOp& reduce);
Operation Barrier(const char* name);

}  // namespace muster::trainer::mpi
