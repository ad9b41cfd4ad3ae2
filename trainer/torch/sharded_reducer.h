#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <memory>
#include <string>
#include <vector>

#include "trainer/shard.h"
#include "trainer/torch/gang.h"
#include "trainer/torch/model_state.h"

namespace c10d {
class Work;
}
namespace torch::autograd {
struct Node;
}

/// The engine under DataParallel's shard_optimizer: ZeRO, stage 1 (Rajbhandari et al. 2020, section 5.1).
///
/// 1. Parameters, the last ones first, lie one after another in buckets: a flat vector of weights, of which every
///    parameter is a view, and one of gradients; both are padded to one shard of the same size a rank.
/// 2. A hook on each parameter's gradient copies it into its bucket, divided by the number of ranks, and makes it a view of
///    that. A bucket whose gradients are all there is reduce-scattered, in the order of the buckets, while backward goes
///    on. The end of backward waits for all of them.
/// 3. The optimizer changes this rank's shards: the pieces, one of each parameter, whose gradients are views as well.
/// 4. The weights of each bucket are all-gathered, in place.
///
/// c10d::Reducer with a hook of its own for communication would do for 2 alone: it does not pad, and it orders its
/// buckets anew after the first step, when the optimizer's state has its place.

namespace muster::trainer {

class ShardedReducer {
 public:
  struct Options {
    std::int64_t first_bucket_bytes, bucket_bytes;
    bool find_unused;
  };
  ShardedReducer(const NamedTensors& parameters, const Gang& gang, Options options);
  ~ShardedReducer();
  ShardedReducer(const ShardedReducer&) = delete;
  ShardedReducer& operator=(const ShardedReducer&) = delete;

  void BeginBackward(const at::Tensor& loss);
  void ShareWeights();

  [[nodiscard]] std::vector<at::Tensor> Pieces() const;
  /// The elements of a parameter that each rank's piece has.
  [[nodiscard]] std::vector<ElementRange> Ranges(std::size_t parameter) const;
  [[nodiscard]] std::vector<std::int64_t> Shape(std::size_t parameter) const {
    return slots_[parameter].parameter.sizes().vec();
  }

 private:
  /// A parameter and its place.
  struct Slot {
    std::string name;
    at::Tensor parameter;
    std::size_t bucket = 0;
    std::int64_t offset = 0;  ///< in the bucket
    at::Tensor gradient;      ///< view of the bucket's
    at::Tensor piece, piece_gradient;
    std::shared_ptr<torch::autograd::Node> accumulator;
    std::uintptr_t hook = 0;
    bool used = false;     ///< in some backward since the last one that was reduced
    bool arrived = false;  ///< in this backward
  };
  struct Bucket {
    at::TensorOptions options;
    std::int64_t elements = 0;  ///< without the padding of shards
    std::int64_t shard = 0;
    std::size_t parameters = 0;
    std::size_t missing = 0;  ///< parameters whose gradients are not there yet
    at::Tensor weights, gradients;
  };

  void AssignBuckets(const Options& options);
  void Allocate(Bucket& bucket) const;
  void MoveIn(Slot& slot);
  void Hook(Slot& slot);
  void OnGradient(Slot& slot);
  void Take(Slot& slot);
  void Launch(bool all);
  void FinishBackward();
  [[nodiscard]] std::vector<bool> UsedAnywhere() const;
  [[nodiscard]] at::Tensor OwnShard(const Bucket& bucket, const at::Tensor& flat) const;
  [[nodiscard]] ElementRange RangeOf(const Slot& slot, std::int64_t rank) const;

  const Gang& gang_;
  const bool find_unused_;
  std::vector<Slot> slots_;
  std::vector<Bucket> buckets_;
  bool reducing_ = false;
  std::size_t launched_ = 0;  ///< buckets
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;
};

}  // namespace muster::trainer
