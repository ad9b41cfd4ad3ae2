#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "trainer/torch/gang.h"

/// Gradients averaged over the ranks while backward still runs: c10d::Reducer, the engine under PyTorch's
/// DistributedDataParallel (Li et al., "PyTorch Distributed", VLDB 2020), in buckets that each are reduced as
/// soon as they are full. A step is
///
///   data_parallel.BeginStep();  loss = forward(...);  data_parallel.BeginBackward();  loss.backward();
///
/// after which every rank holds the same gradients, bit for bit: the mean over ranks. Every parameter
/// must take part in every step. With one rank both calls are free.

namespace c10d {
class Reducer;
}

namespace muster::trainer {

class DataParallel {
 public:
  struct Options {
    std::int64_t first_bucket_bytes = std::int64_t{1} << 20;
    std::int64_t bucket_bytes = std::int64_t{25} << 20;
  };
  /// Gives all ranks rank 0's parameters. `gang` must outlive it.
  DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang);
  DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang, Options options);
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  void BeginStep();
  void BeginBackward();

 private:
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace muster::trainer
