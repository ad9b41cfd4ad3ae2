#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "trainer/torch/gang.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/sharded_state.h"

/// Gradients averaged over the ranks while backward still runs, in buckets that each are reduced as soon as they are full:
/// Li et al., "PyTorch Distributed" (VLDB 2020); c10d::Reducer, the engine under PyTorch's DistributedDataParallel.
/// A step is
///
///   data_parallel.BeginStep();  loss = forward(...);  data_parallel.BeginBackward(loss);  loss.backward();
///   optimizer->Step(rate);  data_parallel.EndStep();
///
/// with MakeOptimizer(data_parallel.optimized(), spec). After backward every rank holds the same gradients, bit for bit:
/// the mean over ranks. What a backward that no BeginBackward came before adds to the gradients stays with the
/// rank until the next one (accumulation). Buffers of a module are not looked after: Gang::Broadcast.
///
/// With `shard_optimizer` it is ZeRO, stage 1 (Rajbhandari et al. 2020, arXiv:1910.02054): each rank gets the mean of its
/// part of the gradients alone (reduce-scatter), has the optimizer's state of that part and changes those weights;
/// EndStep gives all weights to all (all-gather). For W ranks the state takes 1/W of the memory, and as much goes over
/// the wire as without it.
///
/// With one rank that is alone all of it is free.

namespace c10d {
class Logger;
class Reducer;
}  // namespace c10d

namespace muster::trainer {

class ShardedReducer;

/// Types and shapes, for Gang::CheckSame.
Facts ParameterFacts(const NamedTensors& parameters);

class DataParallel {
 public:
  struct Options {
    std::int64_t first_bucket_bytes = std::int64_t{1} << 20;  ///< of what backward meets first
    std::int64_t bucket_bytes = std::int64_t{25} << 20;       ///< 1 or more
    /// A parameter may take no part in a step, on some ranks or all; one that takes part on none has no gradient then.
    /// Costs a walk over the graph and a small all-reduce a step. Without it every parameter must take part
    /// in every step.
    bool find_unused = false;
    bool shard_optimizer = false;
  };
  /// Gives all ranks rank 0's parameters. `gang` outlives it. Throws c10::Error that names what the ranks do not have
  /// alike, on each of them. Under shard_optimizer the parameters, of one device, move to other memory and lie there
  /// contiguously, so what is a view of one must be made after this.
  DataParallel(const NamedTensors& parameters, const Gang& gang, Options options);
  DataParallel(const NamedTensors& parameters, const Gang& gang)
      : DataParallel(parameters, gang, Options()) {}
  /// Named by their numbers.
  DataParallel(const std::vector<at::Tensor>& parameters, const Gang& gang, Options options);
  /// The parameters that are trained (TrainedParameters).
  DataParallel(const torch::nn::Module& module, const Gang& gang, Options options);
  DataParallel(const torch::nn::Module& module, const Gang& gang)
      : DataParallel(module, gang, Options()) {}
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  void BeginStep();
  /// `loss`, what backward begins at, has a graph.
  void BeginBackward(const at::Tensor& loss);
  void EndStep();

  /// What this rank's optimizer changes, in the order of the parameters, and whose gradients are those of all ranks after
  /// backward: the parameters; under shard_optimizer this rank's part of each, flat (of shape (n), or (1, n) for a
  /// parameter of two or more dimensions), which may have no element.
  [[nodiscard]] const std::vector<at::Tensor>& optimized() const { return optimized_; }
  [[nodiscard]] bool sharded() const { return sharded_ != nullptr; }
  /// Under shard_optimizer, of an optimizer's State(): what is named "<name>.<n>" is the part of a whole of the n-th
  /// parameter's shape. The rest every rank has.
  [[nodiscard]] std::vector<ShardedTensor> ShardsOf(const NamedTensors& state) const;

 private:
  std::vector<at::Tensor> optimized_;
  bool find_unused_ = false;
  std::shared_ptr<c10d::Reducer> reducer_;
  std::shared_ptr<c10d::Logger> logger_;
  std::unique_ptr<ShardedReducer> sharded_;
};

}  // namespace muster::trainer
