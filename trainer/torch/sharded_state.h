#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/shard.h"
#include "trainer/torch/gang.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/snapshot.h"

/// Between the shards of optimizer state under ZeRO and a checkpoint's whole tensors, piece by piece: no rank needs room
/// for a whole one on its device, and rank 0 needs it in its snapshot or in what it has read alone. So any
/// number of ranks goes on from a checkpoint.

namespace muster::trainer {

/// A tensor, flat and row-major, that each rank has a range of.
struct ShardedTensor {
  std::string name;
  std::vector<std::int64_t> shape;   ///< of the whole
  std::vector<ElementRange> ranges;  ///< by rank; each element once, some may be empty
  at::Tensor part;                   ///< this rank's elements, live
};

/// For rank 0's snapshot. The other ranks call each one's `fill` with an undefined tensor, in the same order, at the same
/// time. `gang` outlives them.
std::vector<GatheredTensor> Gathered(const std::vector<ShardedTensor>& tensors, const Gang& gang);

/// Tensors of the wholes' shapes and types that have no memory, for LoadTensors to hold a checkpoint against.
NamedTensors Wholes(const std::vector<ShardedTensor>& tensors);

/// Gives every rank its elements of what rank 0 has loaded; `stored` is rank 0's. A tensor that is not in it stays as it is.
/// All ranks.
void Scatter(const std::vector<StoredTensor>& stored, const std::vector<ShardedTensor>& tensors,
             const Gang& gang);

}  // namespace muster::trainer
